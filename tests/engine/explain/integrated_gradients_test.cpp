#include "engine/explain/integrated_gradients.h"

#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "tests/models/vitals_support.h"

namespace salus::test {
namespace {

using explain::integrated_gradients;
using explain::StayAttribution;

/// Logit 0 is 2 x (variable 1 at the last step) - static 0; logit 1 is 0.
class LinearModel : public Model {
 public:
  at::Tensor embed(const Batch& batch) override {
    const at::Tensor last = batch.inputs.at("values").select(1, 3).select(1, 1);
    const at::Tensor logit = 2 * last - batch.inputs.at("static").select(1, 0);
    return at::stack({logit, logit * 0}, 1);
  }
  at::Tensor classify(const at::Tensor& features) override { return features; }
};

TEST(IntegratedGradientsTest, OfALinearModelIsWeightTimesDifference) {
  LinearModel model;
  const Batch stay = stays({4});
  const StayAttribution found = integrated_gradients(model, stay, 0);
  at::Tensor expected = torch::zeros({6, 3});
  expected[3][1] = 2 * stay.inputs.at("values")[0][3][1];
  EXPECT_TRUE(torch::allclose(found.values, expected, 1e-5, 1e-6));
  EXPECT_NEAR(found.statics[0].item<double>(), -stay.inputs.at("static")[0][0].item<double>(),
              1e-6);
  EXPECT_EQ(found.statics[1].item<double>(), 0);
  EXPECT_NEAR(found.gap, 0, 1e-5);
  EXPECT_EQ(integrated_gradients(model, stay, 1).values.abs().sum().item<double>(), 0);
}

TEST(IntegratedGradientsTest, AStayWithoutStepsRestsOnItsStaticsAlone) {
  LinearModel model;
  const Batch stay = stays({0});
  const StayAttribution found = integrated_gradients(model, stay, 0);
  EXPECT_EQ(found.step, 0);
  EXPECT_EQ(found.values.abs().sum().item<double>(), 0);
  EXPECT_NEAR(found.statics[0].item<double>(), -stay.inputs.at("static")[0][0].item<double>(),
              1e-6);
  EXPECT_NEAR(found.gap, 0, 1e-5);
  EXPECT_NO_THROW(integrated_gradients(model, stay, 0, 0));
  EXPECT_THROW(integrated_gradients(model, stay, 0, 1), Error);
}

class IntegratedGradientsZooTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<Model> make(bool per_step) {
    torch::manual_seed(2);
    ModelSpec spec = stay_spec(GetParam(), {{"summary", 1}, {"head", 8}});
    spec.per_step = per_step;
    auto model = make_model(spec);
    model->eval();
    return model;
  }
};

TEST_P(IntegratedGradientsZooTest, AddsUpToTheLogitWithinOnePercent) {
  for (const bool per_step : {false, true}) {
    const auto model = make(per_step);
    const StayAttribution found = integrated_gradients(*model, stays({5}), 1);
    const double difference = found.logit - found.baseline;
    EXPECT_NE(difference, 0);
    EXPECT_LE(std::abs(found.gap), std::max(0.01 * std::abs(difference), 1e-4));
    const double total = (found.values.sum() + found.statics.sum()).item<double>();
    EXPECT_NEAR(total, difference, std::max(0.01 * std::abs(difference), 2e-4));
  }
}

TEST_P(IntegratedGradientsZooTest, WhatComesAfterTheScoredStepHasNoShare) {
  const auto model = make(/*per_step=*/true);
  const StayAttribution found = integrated_gradients(*model, stays({6}), 0, 2);
  EXPECT_GT(found.values.slice(0, 0, 3).abs().sum().item<double>(), 0);
  EXPECT_EQ(found.values.slice(0, 3).abs().sum().item<double>(), 0);
}

TEST_P(IntegratedGradientsZooTest, AStayWithoutStepsAddsUpByItsStatics) {
  for (const bool per_step : {false, true}) {
    torch::manual_seed(2);
    ModelSpec spec = stay_spec(GetParam(), {{"summary", 1}});
    spec.per_step = per_step;
    const auto model = make_model(spec);
    model->eval();
    const StayAttribution found = integrated_gradients(*model, stays({0}), 1);
    const double difference = found.logit - found.baseline;
    EXPECT_NE(difference, 0);
    EXPECT_EQ(found.values.abs().sum().item<double>(), 0);
    EXPECT_NEAR(found.statics.sum().item<double>(), difference,
                std::max(0.01 * std::abs(difference), 2e-4));
  }
}

INSTANTIATE_TEST_SUITE_P(All, IntegratedGradientsZooTest, ::testing::ValuesIn(vitals_names()),
                         [](const auto& info) { return info.param; });

TEST(IntegratedGradientsTest, TreesShareOutTheirJumps) {
  for (const bool per_step : {false, true}) {
    ModelSpec spec = stay_spec("boosted_trees", {{"recent", 2}, {"summary", 1}});
    spec.options["n_estimators"] = 20;
    spec.per_step = per_step;
    spec.clocks = {{.column = 1, .scale = 3, .offset = -2}};
    const auto model = make_model(spec);
    fit_to(*model, stays(std::vector<std::int64_t>(60, 6), 4), per_step);
    model->eval();
    const Batch stay = stays({5}, 9);
    const StayAttribution found = integrated_gradients(*model, stay, 1);
    const double difference = found.logit - found.baseline;
    EXPECT_GT(std::abs(difference), 0.01);
    EXPECT_LE(std::abs(found.gap), std::max(0.01 * std::abs(difference), 1e-4));
    EXPECT_EQ(
        found.values.masked_select(stay.inputs.at("mask")[0].eq(0)).abs().sum().item<double>(),
        0);  // what was not observed adds nothing
    const StayAttribution empty = integrated_gradients(*model, stays({0}, 9), 1);
    EXPECT_NE(empty.logit, 0);  // the forest was asked
    EXPECT_EQ(empty.values.abs().sum().item<double>(), 0);
    EXPECT_LE(std::abs(empty.gap), std::max(0.01 * std::abs(empty.logit - empty.baseline), 1e-4));
  }
}

TEST(IntegratedGradientsTest, RefusesAStepThatTheStayHasNot) {
  LinearModel model;
  EXPECT_THROW(integrated_gradients(model, stays({4}), 0, 4), Error);
  EXPECT_THROW(integrated_gradients(model, stays({4}), 2), Error);
}

}  // namespace
}  // namespace salus::test
