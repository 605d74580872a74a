#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "models/vitals/summary.h"
#include "tests/models/vitals_support.h"

namespace salus::test {
namespace {

using ::testing::HasSubstr;

/// With the summary beside the state.
ModelSpec summary_spec(const std::string& name) { return stay_spec(name, {{"summary", 1}}); }

class VitalsZooTest : public ::testing::TestWithParam<std::string> {};

TEST_P(VitalsZooTest, ScoresStaysOfAnyLengthEmptyOnesIncluded) {
  const auto model = make_model(stay_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  const at::Tensor logits = model->forward(stays({6, 1, 0, 3}));
  EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{4, 2}));
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
}

TEST_P(VitalsZooTest, WhatLiesBeyondAStaysEndDoesNotMatter) {
  const auto model = make_model(summary_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  const Batch batch = stays({4, 6, 0});
  Batch other = batch;
  for (const char* name : {"mask", "values", "delta"}) {
    other.inputs[name] = batch.inputs.at(name).clone();
    other.inputs[name][0].slice(0, 4).fill_(1);
    other.inputs[name][2].fill_(1);
  }
  EXPECT_TRUE(torch::equal(model->forward(batch), model->forward(other)));
}

TEST_P(VitalsZooTest, ShorterBatchesInTrainingGiveTheSameLogits) {
  const auto model = make_model(summary_spec(GetParam()));
  const Batch batch = stays({3, 2, 1});
  model->train();
  const at::Tensor trimmed = model->forward(batch).detach();
  model->eval();
  EXPECT_TRUE(torch::allclose(model->forward(batch).detach(), trimmed, 1e-5, 1e-6));
}

TEST_P(VitalsZooTest, GradientsReachEveryParameter) {
  const auto model = make_model(summary_spec(GetParam()));
  model->train();
  model->forward(stays({6, 5, 4, 3})).square().sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST_P(VitalsZooTest, AnEmptyStayIsScoredByItsStatics) {
  const auto model = make_model(stay_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  Batch batch = stays({0, 0});
  const at::Tensor logits = model->forward(batch);
  EXPECT_FALSE(torch::equal(logits[0], logits[1]));
}

TEST_P(VitalsZooTest, PerStepLogitsDoNotLookAhead) {
  ModelSpec spec = summary_spec(GetParam());
  spec.per_step = true;
  const auto model = make_model(spec);
  model->eval();
  at::NoGradGuard no_grad;
  const Batch batch = stays({6, 6});
  const at::Tensor logits = model->forward(batch);
  ASSERT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 6, 2}));
  Batch other = batch;
  other.inputs["values"] = batch.inputs.at("values").clone();
  other.inputs["values"].slice(1, 4).add_(1);
  const at::Tensor changed = model->forward(other);
  EXPECT_TRUE(torch::equal(logits.slice(1, 0, 4), changed.slice(1, 0, 4)));
  EXPECT_FALSE(torch::equal(logits.slice(1, 4), changed.slice(1, 4)));
}

TEST_P(VitalsZooTest, FeaturesEndInStaticsAndSummary) {
  const auto model = make_model(summary_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  const Batch batch = stays({6, 2, 0});
  const at::Tensor features = model->embed(batch);
  ASSERT_EQ(features.sizes(), (std::vector<std::int64_t>{3, 64 + 2 + 7 * 3}));
  EXPECT_TRUE(torch::equal(features.slice(1, 64, 66), batch.inputs.at("static")));
  const models::Stays given{batch.inputs.at("values"), batch.inputs.at("mask"),
                            batch.inputs.at("delta"), batch.inputs.at("length"),
                            batch.inputs.at("static")};
  EXPECT_TRUE(torch::equal(features.slice(1, 66), models::summarise(given)));
}

TEST_P(VitalsZooTest, UnknownStaticsAreTheirMean) {
  const auto model = make_model(stay_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  Batch batch = stays({6, 0});
  batch.inputs["static"].select(1, 1).fill_(NAN);
  const at::Tensor unknown = model->forward(batch);
  batch.inputs["static"].select(1, 1).zero_();
  EXPECT_TRUE(torch::equal(unknown, model->forward(batch)));
  EXPECT_FALSE(unknown.isnan().any().item<bool>());
}

TEST_P(VitalsZooTest, WithoutStaticsItNeedsNone) {
  const auto model = make_model(stay_spec(GetParam(), {}, 0));
  EXPECT_EQ(model->embed(stays({6, 3}, 1, 6, 0)).sizes(), (std::vector<std::int64_t>{2, 64}));
}

TEST_P(VitalsZooTest, PreparedForBfloat16LogitsAreFloat32AndClose) {
  torch::manual_seed(4);
  const auto model = make_model(summary_spec(GetParam()));
  model->eval();
  at::NoGradGuard no_grad;
  Batch batch = stays({6, 5, 1, 0});
  const at::Tensor wide = model->forward(batch);
  model->prepare_inference(at::kBFloat16);
  for (auto& [name, tensor] : batch.inputs) {
    if (tensor.is_floating_point()) tensor = tensor.to(at::kBFloat16);
  }
  const at::Tensor narrow = model->forward(batch);
  EXPECT_EQ(narrow.scalar_type(), at::kFloat);
  EXPECT_LE((narrow - wide).abs().max().item<double>(), 0.05);
}

TEST_P(VitalsZooTest, RefusesBatchesThatLackAnInput) {
  const auto model = make_model(stay_spec(GetParam()));
  for (const char* name : {"values", "mask", "delta", "length", "static"}) {
    Batch batch = stays({2, 4});
    batch.inputs.erase(name);
    EXPECT_THROW(model->embed(batch), c10::Error) << name;
  }
  Batch batch = stays({2, 4});
  batch.inputs["static"] = torch::zeros({2, 4});
  EXPECT_THROW(model->embed(batch), c10::Error);
}

TEST_P(VitalsZooTest, RefusesOptionsOutOfRange) {
  for (const auto& [key, value] : std::map<std::string, double>{
           {"hidden", 0}, {"dropout", 1}, {"summary", 2}, {"head", 1.5}, {"pieces", 1}}) {
    EXPECT_THROW(make_model(stay_spec(GetParam(), {{key, value}})), UsageError) << key;
  }
}

TEST_P(VitalsZooTest, PerStepFeaturesOfASummaryAreThoseSoFar) {
  ModelSpec spec = summary_spec(GetParam());
  spec.per_step = true;
  const auto model = make_model(spec);
  model->eval();
  at::NoGradGuard no_grad;
  const Batch batch = stays({6, 2});
  const models::Stays given{batch.inputs.at("values"), batch.inputs.at("mask"),
                            batch.inputs.at("delta"), batch.inputs.at("length"),
                            batch.inputs.at("static")};
  EXPECT_TRUE(torch::equal(model->embed(batch).slice(2, 64 + 2), models::summarise_steps(given)));
}

INSTANTIATE_TEST_SUITE_P(All, VitalsZooTest, ::testing::ValuesIn(vitals_names()),
                         [](const auto& info) { return info.param; });

class BidirectionalTest : public ::testing::TestWithParam<std::string> {
 protected:
  static ModelSpec spec() { return stay_spec(GetParam(), {{"hidden", 8}, {"bidirectional", 1}}); }
};

TEST_P(BidirectionalTest, TheSecondHalfReadsEachStayFromItsEnd) {
  const auto model = make_model(spec());
  model->eval();
  at::NoGradGuard no_grad;
  auto state = state_of(*model);
  for (auto& [name, tensor] : state) {
    if (name.starts_with("rnn.")) state.at("rnn_reverse." + name.substr(4)).copy_(tensor);
  }
  for (const char* name : {"static_state.weight", "static_state.bias"}) {
    state.at(name).slice(0, 4).copy_(state.at(name).slice(0, 0, 4));
  }
  const Batch batch = stays({6, 3, 1, 0});
  Batch backward = batch;
  for (const char* name : {"values", "mask", "delta"}) {
    backward.inputs[name] = batch.inputs.at(name).clone();
    for (std::int64_t i = 0; i < 4; ++i) {
      const auto length = batch.inputs.at("length")[i].item<std::int64_t>();
      backward.inputs[name][i]
          .slice(0, 0, length)
          .copy_(batch.inputs.at(name)[i].slice(0, 0, length).flip(0));
    }
  }
  const at::Tensor there = model->embed(batch), back = model->embed(backward);
  EXPECT_TRUE(torch::allclose(there.slice(1, 4, 8), back.slice(1, 0, 4), 1e-5, 1e-6));
  EXPECT_FALSE(torch::allclose(there.slice(1, 4, 8), there.slice(1, 0, 4), 1e-2, 1e-2));
}

TEST_P(BidirectionalTest, GradientsReachEveryParameter) {
  const auto model = make_model(spec());
  model->forward(stays({6, 5, 4, 3})).square().sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

TEST_P(BidirectionalTest, IsNeverSteppedAndHasOneLabelAStay) {
  EXPECT_EQ(make_model(spec())->step_network(), nullptr);
  ModelSpec per_step = spec();
  per_step.per_step = true;
  try {
    make_model(per_step);
    FAIL() << "a model that looks ahead was made for a label a step";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("looks ahead with bidirectional = 1"));
  }
  ModelSpec odd = spec();
  odd.options["hidden"] = 7;
  EXPECT_THROW(make_model(odd), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Recurrent, BidirectionalTest, ::testing::Values("gru", "lstm"),
                         [](const auto& info) { return info.param; });

TEST(VitalsModelTest, TreesNeedSomethingToLookAt) {
  try {
    make_model(stay_spec("boosted_trees", {}, /*statics=*/0));
    FAIL() << "trees were made that see nothing";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("option recent"));
  }
}

TEST(VitalsModelTest, HeadsMustDivideTheUnits) {
  try {
    make_model(stay_spec("transformer", {{"hidden", 20}, {"heads", 3}}));
    FAIL() << "20 units were divided among 3 heads";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("make 'hidden' a multiple of 'heads'"));
  }
}

TEST(VitalsModelTest, AttentionAndConvolutionsReachAsFarAsTheySay) {
  struct Case {
    std::string name;
    std::map<std::string, double> options;
    std::int64_t reach;
  };
  // 1 + 2 (kernel - 1) (2^layers - 1) and 1 + layers (window - 1) bins.
  for (const Case& c : {Case{"tcn", {{"layers", 2}, {"kernel", 2}}, 7},
                        Case{"transformer", {{"layers", 2}, {"window", 4}}, 7}}) {
    ModelSpec spec = stay_spec(c.name, c.options);
    spec.per_step = true;
    const auto model = make_model(spec);
    model->eval();
    at::NoGradGuard no_grad;
    const Batch batch = stays({20}, 3, 20);
    Batch other = batch;
    other.inputs["values"] = batch.inputs.at("values").clone();
    other.inputs["values"].select(1, 5).add_(1);
    const at::Tensor moved =
        (model->forward(batch) - model->forward(other)).abs().amax({0, 2}).ne(0);
    for (std::int64_t t = 0; t < 20; ++t) {
      EXPECT_EQ(moved[t].item<bool>(), t >= 5 && t < 5 + c.reach) << c.name << " step " << t;
    }
  }
}

TEST(VitalsModelTest, SummaryIsWhatThePaperAndPencilSay) {
  Batch batch;
  models::Stays stay;
  // One variable observed at steps 0, 1 and 3 of a stay of 4 (values 1, 3, 5); step 4 is beyond.
  stay.values = torch::tensor({{1.F, 3.F, 3.F, 5.F, 9.F}}).view({1, 5, 1});
  stay.mask = torch::tensor({{1.F, 1.F, 0.F, 1.F, 1.F}}).view({1, 5, 1});
  stay.delta = torch::zeros({1, 5, 1});
  stay.length = torch::tensor({4}, torch::kLong);
  const at::Tensor summary = models::summarise(stay)[0];
  const double slope =
      (-4.0 / 3 * 1 + -1.0 / 3 * 3 + 5.0 / 3 * 5) / (16.0 / 9 + 1.0 / 9 + 25.0 / 9);
  const std::vector<double> expected{1, 5, 3, 1, 5, slope, std::log(4.0)};
  for (int i = 0; i < models::kSummaries; ++i) {
    EXPECT_NEAR(summary[i].item<double>(), expected[i], 1e-6) << i;
  }
}

TEST(VitalsModelTest, SummaryOfAVariableNeverSeenIsZero) {
  models::Stays stay{torch::ones({2, 3, 1}), torch::zeros({2, 3, 1}), torch::zeros({2, 3, 1}),
                     torch::tensor({3, 0}, torch::kLong), torch::zeros({2, 0})};
  EXPECT_TRUE(torch::equal(models::summarise(stay), torch::zeros({2, models::kSummaries})));
}

TEST(VitalsModelTest, SummarySoFarIsTheSummaryOfTheStayCutThere) {
  const Batch batch = stays({20, 13, 1, 0}, 3, 20);
  models::Stays stay{batch.inputs.at("values"), batch.inputs.at("mask"), batch.inputs.at("delta"),
                     batch.inputs.at("length"), batch.inputs.at("static")};
  const at::Tensor so_far = models::summarise_steps(stay);
  ASSERT_EQ(so_far.sizes(), (std::vector<std::int64_t>{4, 20, 3 * models::kSummaries}));
  const at::Tensor length = stay.length;
  for (std::int64_t t = 0; t < 20; ++t) {
    stay.length = length.clamp_max(t + 1);
    EXPECT_TRUE(torch::allclose(so_far.select(1, t), models::summarise(stay), 1e-6, 1e-6)) << t;
  }
}

TEST(VitalsModelTest, TwoNeighbouringBinsGiveTheirWholeSlope) {
  models::Stays stay{torch::tensor({{2.F, 5.F}}).view({1, 2, 1}), torch::ones({1, 2, 1}),
                     torch::zeros({1, 2, 1}), torch::tensor({2}, torch::kLong),
                     torch::zeros({1, 0})};
  EXPECT_FLOAT_EQ(models::summarise(stay)[0][5].item<float>(), 3);
}

TEST(VitalsModelTest, WhatWasNotObservedMayBeNaNInASummary) {
  models::Stays stay{torch::tensor({{2.F, NAN, 4.F}}).view({1, 3, 1}),
                     torch::tensor({{1.F, 0.F, 1.F}}).view({1, 3, 1}), torch::zeros({1, 3, 1}),
                     torch::tensor({3}, torch::kLong), torch::zeros({1, 0})};
  EXPECT_TRUE(models::summarise(stay).isfinite().all().item<bool>());
  EXPECT_TRUE(models::summarise_steps(stay).isfinite().all().item<bool>());
}

TEST(VitalsModelTest, ModelsAreForTheirModalityOnly) {
  ModelSpec spec = stay_spec("resnet18");
  try {
    make_model(spec);
    FAIL() << "a ResNet was made for vital signs";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("takes image, and the data are vitals"));
  }
  EXPECT_THROW(make_model(spec_of("gru", 1, 8, 8, 1)), UsageError);
  spec = stay_spec("gru");
  spec.variables = 0;
  EXPECT_THROW(make_model(spec), UsageError);
}

}  // namespace
}  // namespace salus::test
