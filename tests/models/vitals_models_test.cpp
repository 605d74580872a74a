#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "models/vitals/vitals_model.h"
#include "tests/models/model_support.h"

namespace salus::test {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSteps = 6, kVariables = 3, kStatics = 2;

ModelSpec stay_spec(const std::string& name, std::map<std::string, double> options = {}) {
  ModelSpec spec;
  spec.name = name;
  spec.modality = Modality::kVitals;
  spec.variables = kVariables;
  spec.statics = kStatics;
  spec.steps = kSteps;
  spec.outputs = 2;
  spec.options = std::move(options);
  return spec;
}

/// Stays of the given lengths with random values, a third of them missing.
Batch stays(const std::vector<std::int64_t>& lengths, std::uint64_t seed = 1) {
  torch::manual_seed(seed);
  const auto n = static_cast<std::int64_t>(lengths.size());
  Batch batch;
  batch.inputs["mask"] = torch::rand({n, kSteps, kVariables}).gt(0.33).to(torch::kFloat);
  batch.inputs["values"] = torch::randn({n, kSteps, kVariables});
  batch.inputs["delta"] = torch::rand({n, kSteps, kVariables}) * 5;
  batch.inputs["length"] = torch::tensor(lengths, torch::kLong);
  batch.inputs["static"] = torch::randn({n, kStatics});
  batch.ids.resize(lengths.size());
  for (std::int64_t i = 0; i < n; ++i) {
    for (const char* name : {"mask", "values", "delta"}) {
      batch.inputs[name][i].slice(0, lengths[i]).zero_();
    }
  }
  return batch;
}

std::vector<std::string> names() {
  Registry registry;
  register_zoo(registry);
  std::vector<std::string> names;
  for (const ModelEntry& entry : registry.entries()) {
    if (entry.modality == Modality::kVitals) names.push_back(entry.name);
  }
  return names;
}

/// With the summary beside the state where the model has one.
ModelSpec summary_spec(const std::string& name) {
  return stay_spec(name, name == "gru_d" ? std::map<std::string, double>{}
                                         : std::map<std::string, double>{{"summary", 1}});
}

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
  ModelSpec spec = stay_spec(GetParam());
  spec.per_step = true;
  if (GetParam() == "gru_d") {
    EXPECT_THROW(make_model(spec), UsageError);
    return;
  }
  const auto model = make_model(spec);
  model->eval();
  at::NoGradGuard no_grad;
  const Batch batch = stays({6, 6});
  const at::Tensor logits = model->forward(batch);
  ASSERT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, kSteps, 2}));
  Batch other = batch;
  other.inputs["values"] = batch.inputs.at("values").clone();
  other.inputs["values"].slice(1, 4).add_(1);
  const at::Tensor changed = model->forward(other);
  EXPECT_TRUE(torch::equal(logits.slice(1, 0, 4), changed.slice(1, 0, 4)));
  EXPECT_FALSE(torch::equal(logits.slice(1, 4), changed.slice(1, 4)));
}

INSTANTIATE_TEST_SUITE_P(All, VitalsZooTest, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

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
