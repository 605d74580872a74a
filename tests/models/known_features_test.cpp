#include "models/vitals/known_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/vitals/recent.h"
#include "tests/models/vitals_support.h"

namespace salus::test {
namespace {

TEST(KnownFeaturesTest, WhatIsRecentIsWhatPencilSays) {
  // One variable, observed at bins 0, 1 and 3 of a stay of 5; bin 5 is beyond. Window of 2 bins.
  const models::Stays stay{torch::tensor({{1.F, 3.F, 3.F, -5.F, 9.F, 9.F}}).view({1, 6, 1}),
                           torch::tensor({{1.F, 1.F, 0.F, 1.F, 0.F, 1.F}}).view({1, 6, 1}),
                           torch::zeros({1, 6, 1}), torch::tensor({5}, torch::kLong),
                           torch::zeros({1, 0})};
  const at::Tensor steps = models::recent_steps(stay, 2)[0].slice(1, 0, models::kRecent);
  const float one = std::log(2.F), two = std::log(3.F), three = std::log(4.F);
  // count, last, since, low, high, mean, change over 2 bins, share of the bins
  const at::Tensor expected = torch::tensor({{one, 1.F, 0.F, 1.F, 1.F, 1.F, 0.F, 1.F},
                                             {two, 3.F, 0.F, 1.F, 3.F, 2.F, 0.F, 1.F},
                                             {two, 3.F, one, 3.F, 3.F, 3.F, 2.F, 2.F / 3},
                                             {three, -5.F, 0.F, -5.F, -5.F, -5.F, -8.F, 3.F / 4},
                                             {three, -5.F, one, -5.F, -5.F, -5.F, -8.F, 3.F / 5}});
  EXPECT_TRUE(torch::allclose(steps.slice(0, 0, 5), expected)) << steps;
  const at::Tensor end = models::recent(stay, 2)[0];
  EXPECT_TRUE(torch::equal(end.slice(0, 0, models::kRecent), steps[4]));
  EXPECT_FLOAT_EQ(end[models::kRecent].item<float>(), std::log(5.F));  // the age
  EXPECT_TRUE(models::recent_steps(stay, 1)[0][4].slice(0, 3, 6).eq(0).all().item<bool>());
  const at::Tensor all = models::recent_steps(stay, 50)[0][4];  // longer than the stay
  EXPECT_EQ(all[4].item<float>(), 3);
  EXPECT_EQ(all[models::kChange].item<float>(), 0);
}

TEST(KnownFeaturesTest, NothingIsRecentOfAVariableNeverSeenOrAnEmptyStay) {
  models::Stays stay{torch::ones({2, 3, 1}), torch::zeros({2, 3, 1}), torch::zeros({2, 3, 1}),
                     torch::tensor({3, 0}, torch::kLong), torch::zeros({2, 0})};
  at::Tensor expected = torch::zeros({2, models::kRecent + 1});
  expected[0][models::kRecent] = std::log(3.F);  // the age of the stay
  EXPECT_TRUE(torch::equal(models::recent(stay, 2), expected));
}

TEST(KnownFeaturesTest, ClocksCountTheBinsSinceTheirTime) {
  // Static 1 is a time: z -> 4 z - 6 bins. Of the first stay -2, of the second 2, of the third unknown.
  const models::Stays stay{torch::zeros({3, 4, 1}), torch::zeros({3, 4, 1}),
                           torch::zeros({3, 4, 1}), torch::tensor({4, 3, 0}, torch::kLong),
                           torch::tensor({{9.F, 1.F}, {9.F, 2.F}, {9.F, 0.F}})};
  models::KnownFeatures layout{.variables = 1,
                               .statics = 2,
                               .per_step = true,
                               .summary = false,
                               .window = 0,
                               .clocks = {{.column = 1, .scale = 4, .offset = -6}}};
  const at::Tensor steps = layout.of(stay);
  ASSERT_EQ(steps.size(2), 3);
  const at::Tensor since = torch::tensor({{2.F, 3.F, 4.F, 5.F}, {0.F, 0.F, 0.F, 1.F}}).log1p();
  EXPECT_TRUE(torch::allclose(steps.select(2, 2).slice(0, 0, 2), since)) << steps;
  layout.per_step = false;
  const at::Tensor ends = layout.of(stay);
  EXPECT_TRUE(torch::allclose(ends.select(1, 2), torch::tensor({5.F, 0.F, 6.F}).log1p())) << ends;
  EXPECT_TRUE(layout.present(ends).all().item<bool>());
}

TEST(KnownFeaturesTest, WhatIsAbsentIsKnownFromTheNumbers) {
  const models::KnownFeatures layout{.variables = 3,
                                     .statics = 2,
                                     .per_step = true,
                                     .summary = true,
                                     .window = 4,
                                     .clocks = {{.column = 0}}};
  const Batch batch = stays({20, 13, 1, 0}, 3, 20);
  models::Stays stay{batch.inputs.at("values"), batch.inputs.at("mask").clone(),
                     batch.inputs.at("delta"), batch.inputs.at("length"),
                     batch.inputs.at("static")};
  stay.mask.select(2, 1).slice(1, 0, 9).zero_();
  const at::Tensor known = layout.of(stay), present = layout.present(known);
  ASSERT_EQ(known.size(2), layout.width());
  for (std::int64_t t = 0; t < 20; ++t) {
    const at::Tensor row = known[0][t].contiguous();
    for (std::int64_t f = 0; f < layout.width(); ++f) {
      EXPECT_EQ(layout.present(row.data_ptr<float>(), f), present[0][t][f].item<bool>()) << t << f;
    }
  }
  const at::Tensor seen = stay.mask[0].ne(0).select(1, 1);
  const std::int64_t low = 2 + 21 + models::kRecent + models::kWindow;
  for (std::int64_t t = 0; t < 20; ++t) {
    EXPECT_EQ(present[0][t][low].item<bool>(),
              seen.slice(0, std::max<std::int64_t>(0, t - 3), t + 1).any().item<bool>());
    EXPECT_EQ(present[0][t][low - 1].item<bool>(), seen.slice(0, 0, t + 1).any().item<bool>());
  }
}

}  // namespace
}  // namespace salus::test
