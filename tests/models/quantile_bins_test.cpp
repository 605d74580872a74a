#include "models/vitals/quantile_bins.h"

#include <gtest/gtest.h>

#include <utility>

#include "models/row_sample.h"
#include "models/vitals/summary.h"
#include "tests/models/vitals_support.h"

namespace salus::test {
namespace {

using models::BinForm;
using models::QuantileBins;
using models::QuantileBinsRow;

at::Tensor column(const std::vector<float>& values) { return torch::tensor(values).unsqueeze(1); }

at::Tensor all_of(const at::Tensor& rows) { return torch::ones_like(rows, torch::kBool); }

/// Places of some values of the one feature that `bins` has.
std::vector<float> places(QuantileBins& bins, const std::vector<float>& values) {
  const at::Tensor rows = column(values);
  const at::Tensor both = bins->forward(rows, all_of(rows)).select(1, 1).contiguous();
  return {both.data_ptr<float>(), both.data_ptr<float>() + both.numel()};
}

TEST(QuantileBinsTest, PlacesLieEvenlyBetweenTheQuartiles) {
  QuantileBins bins(1, 4);
  const at::Tensor rows = column({0, 8, 1, 2, 4});  // quartiles 0, 1, 2, 4, 8
  bins->fit(rows, all_of(rows));
  EXPECT_EQ(bins->count.item<float>(), 5);
  EXPECT_EQ(places(bins, {-3, 0, 0.5, 1, 2, 3, 6, 8, 99}),
            (std::vector<float>{-1, -1, -0.75, -0.5, 0, 0.25, 0.75, 1, 1}));
}

TEST(QuantileBinsTest, EqualQuantilesAreOnePlace) {
  QuantileBins bins(1, 8);
  const at::Tensor rows = column({3, 3, 3, 3, 3, 3, 3, 4, 9});
  bins->fit(rows, all_of(rows));
  EXPECT_EQ(bins->count.item<float>(), 3);  // 3, 4 and 9
  EXPECT_EQ(places(bins, {3, 3.5, 4, 9}), (std::vector<float>{-1, -0.5, 0, 1}));
}

TEST(QuantileBinsTest, QuantilesNearerThanRoundingShowsAreOne) {
  QuantileBins bins(1, 3);
  const at::Tensor rows = column({0, 1, 1.0000001F, 2});
  bins->fit(rows, all_of(rows));
  EXPECT_EQ(bins->count.item<float>(), 3);
}

TEST(QuantileBinsTest, AFeatureThatIsAbsentOrConstantHasPlaceZero) {
  QuantileBins bins(3, 4);
  const at::Tensor rows = torch::tensor({{1.F, 5.F, 0.F}, {2.F, 5.F, 0.F}, {3.F, 5.F, 0.F}});
  at::Tensor present = all_of(rows);
  present.select(1, 2).fill_(false);  // never seen in training
  bins->fit(rows, present);
  at::Tensor some = all_of(rows);
  some[0][0] = false;
  const at::Tensor both = bins->forward(rows, some);
  EXPECT_TRUE(torch::equal(both.slice(1, 3), torch::tensor({{0.F, 0.F, 0.F},  //
                                                            {0.F, 0.F, 0.F},
                                                            {1.F, 0.F, 0.F}})));
  EXPECT_EQ(both[0][1].item<float>(), 4);  // drawn into the limits
}

TEST(QuantileBinsTest, AbsentValuesDoNotCountInTheQuantiles) {
  QuantileBins bins(1, 2);
  const at::Tensor rows = column({1, 1000, 2, 3});
  at::Tensor present = all_of(rows);
  present[1] = false;
  bins->fit(rows, present);
  EXPECT_TRUE(torch::equal(bins->knots, torch::tensor({{1.F, 2.F, 3.F}})));
}

class QuantileBinsFormTest : public ::testing::TestWithParam<BinForm> {};

TEST_P(QuantileBinsFormTest, OneRowHasTheBitsOfMany) {
  torch::manual_seed(1);
  QuantileBins bins(5, 16, GetParam());
  const at::Tensor rows = torch::randn({300, 5});
  bins->fit(rows.slice(0, 0, 200), all_of(rows).slice(0, 0, 200));
  const at::Tensor present = torch::rand({300, 5}).gt(0.2);
  const at::Tensor many = bins->forward(rows, present);
  const QuantileBinsRow row(*bins);
  for (std::int64_t i = 0; i < 300; ++i) {
    at::Tensor one = torch::full({bins->width()}, 7.F);
    row(
        rows[i].const_data_ptr<float>(), [&](std::int64_t f) { return present[i][f].item<bool>(); },
        one.data_ptr<float>());
    EXPECT_TRUE(torch::equal(one, many[i])) << i;
  }
}

TEST_P(QuantileBinsFormTest, ValuesThatNeedAGradientHaveTheSameNumbers) {
  torch::manual_seed(2);
  QuantileBins bins(5, 16, GetParam());
  const at::Tensor rows = torch::randn({300, 5});
  rows.select(1, 3).round_();  // few values: some of the bins are empty
  bins->fit(rows.slice(0, 0, 200), all_of(rows).slice(0, 0, 200));
  const at::Tensor present = torch::rand({300, 5}).gt(0.2);
  const at::Tensor plain = bins->forward(rows, present);
  const at::Tensor tracked = bins->forward(rows.clone().requires_grad_(), present);
  EXPECT_EQ(plain.size(1), bins->width());
  EXPECT_TRUE(torch::allclose(plain, tracked, 0, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Forms, QuantileBinsFormTest,
                         ::testing::Values(BinForm::kPlace, BinForm::kPieces),
                         [](const auto& info) {
                           return info.param == BinForm::kPlace ? "Place" : "Pieces";
                         });

TEST(QuantileBinsTest, PiecesFillUpToTheValue) {
  QuantileBins bins(2, 4, BinForm::kPieces);
  const at::Tensor first = column({0, 8, 1, 2, 4});  // quartiles 0, 1, 2, 4, 8
  const at::Tensor rows = torch::cat({first, column({0, 0, 0, 1, 1})}, 1);  // of the second: 0, 1
  bins->fit(rows, all_of(rows));
  const at::Tensor some = torch::tensor({{-3.F, 0.F}, {0.5F, 1.F}, {3.F, 0.25F}, {99.F, 1.F}});
  at::Tensor present = all_of(some);
  present[3][1] = false;
  const at::Tensor expected = torch::tensor({{0.F, 0.F, 0.F, 0.F, 0.F, 0.F, 0.F, 0.F},
                                             {0.5F, 0.F, 0.F, 0.F, 1.F, 0.F, 0.F, 0.F},
                                             {1.F, 1.F, 0.5F, 0.F, 0.25F, 0.F, 0.F, 0.F},
                                             {1.F, 1.F, 1.F, 1.F, 0.F, 0.F, 0.F, 0.F}});
  EXPECT_TRUE(torch::equal(bins->forward(some, present), expected));
}

TEST(QuantileBinsTest, TheGradientIsTheSlopeOfTheBin) {
  QuantileBins bins(1, 4);
  const at::Tensor rows = column({0, 1, 2, 4, 8});
  bins->fit(rows, all_of(rows));
  at::Tensor x = column({0.5, 3, 6}).requires_grad_();
  bins->forward(x, all_of(x)).select(1, 1).sum().backward();
  EXPECT_TRUE(torch::equal(x.grad(), column({0.5, 0.25, 0.125})));
}

TEST(QuantileBinsTest, KnotsStayFloatWhenTheNetworkIsCast) {
  QuantileBins bins(1, 4);
  torch::nn::Module& module = *bins;
  module.to(torch::kBFloat16);
  EXPECT_EQ(bins->knots.scalar_type(), torch::kFloat);
}

std::vector<float> kept(std::int64_t enough, const std::vector<std::int64_t>& parts) {
  models::RowSample sample(enough);
  std::int64_t next = 0;
  for (const std::int64_t rows : parts) {
    sample.add(torch::arange(next, next + rows, torch::kFloat).unsqueeze(1));
    next += rows;
  }
  const at::Tensor all = sample.rows();
  return {all.data_ptr<float>(), all.data_ptr<float>() + all.numel()};
}

TEST(RowSampleTest, KeepsAllOfFewRows) {
  EXPECT_EQ(kept(6, {2, 4}), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(RowSampleTest, KeepsEveryKthOfMany) {
  EXPECT_EQ(kept(4, {3, 4, 1, 2}), (std::vector<float>{0, 4, 8}));
  EXPECT_EQ(kept(4, {10}), (std::vector<float>{0, 4, 8}));
}

TEST(VitalsBinsTest, QuantilesAreOfTheStepsThatStaysHave) {
  ModelSpec spec = stay_spec("gru", {{"summary", 1}, {"bins", 4}});
  spec.per_step = true;
  const auto model = make_model(spec);
  bool given = false;
  const Batch batch = stays({6, 2, 0});
  model->fit_statistics([&](Batch& next) {
    next = batch;
    return !std::exchange(given, true);
  });
  const at::Tensor knots = model->named_buffers()["bins.knots"];
  const at::Tensor count = knots[2 + models::kCount];  // of the first variable
  const at::Tensor most = batch.inputs.at("mask").select(2, 0).sum(1).max().log1p();
  EXPECT_EQ(count[-1].item<float>(), most.item<float>());
  EXPECT_TRUE(
      torch::equal(knots[0][-1], batch.inputs.at("static").slice(0, 0, 2).select(1, 0).max()));
}

TEST(VitalsBinsTest, AVariableNeverObservedHasNoPlaceButOfItsCount) {
  const auto model = make_model(stay_spec("gru", {{"summary", 1}, {"bins", 4}}));
  bool given = false;
  model->fit_statistics([&](Batch& next) {
    next = stays({6, 6, 6, 6, 3, 2});
    return !std::exchange(given, true);
  });
  model->eval();
  Batch batch = stays({6, 6});
  batch.inputs["mask"].select(2, 1).zero_();
  at::NoGradGuard no_grad;
  const at::Tensor places = model->embed(batch).slice(1, 64 + 2 + 21);
  ASSERT_EQ(places.size(1), 2 + 21);
  const at::Tensor second = places.slice(1, 2 + 7, 2 + 14);
  EXPECT_TRUE(second.slice(1, 0, models::kCount).eq(0).all().item<bool>());
  EXPECT_TRUE(second.select(1, models::kCount).eq(-1).all().item<bool>());
}

}  // namespace
}  // namespace salus::test
