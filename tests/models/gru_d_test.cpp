#include "models/vitals/gru_d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/io/error.h"

namespace salus::models {
namespace {

constexpr GruDOptions kOptions{.variables = 5, .statics = 3, .units = 12, .outputs = 2};

/// Series of up to `steps` steps, a third observed, NaN where not.
Batch vitals(std::int64_t series, std::int64_t steps, const GruDOptions& options = kOptions) {
  const std::vector<std::int64_t> shape = {series, steps, options.variables};
  const at::Tensor observed = torch::rand(shape) < 0.35;
  Batch batch;
  batch.inputs["values"] = torch::randn(shape).masked_fill(~observed, NAN);
  batch.inputs["mask"] = observed;
  batch.inputs["delta"] = torch::rand(shape) * 2;
  batch.inputs["length"] = torch::randint(1, steps + 1, {series}, torch::kLong);
  batch.inputs["static"] = torch::randn({series, options.statics});
  batch.ids.resize(static_cast<std::size_t>(series));
  return batch;
}

Batch rows_of(const Batch& batch, std::int64_t begin, std::int64_t end) {
  Batch part;
  for (const auto& [name, tensor] : batch.inputs) part.inputs[name] = tensor.slice(0, begin, end);
  part.ids.resize(static_cast<std::size_t>(end - begin));
  return part;
}

TEST(GruDModelTest, FeaturesAreTheLastStateAndTheStatics) {
  torch::manual_seed(1);
  const auto model = make_gru_d(kOptions);
  const Batch batch = vitals(6, 9);
  const at::Tensor features = model->embed(batch);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{6, 15}));
  EXPECT_TRUE(torch::equal(features.slice(1, 12), batch.inputs.at("static")));
  EXPECT_EQ(model->classify(features).sizes(), (std::vector<std::int64_t>{6, 2}));
  EXPECT_EQ(model->head(), "fc");
}

TEST(GruDModelTest, HasTheParametersByTheirNames) {
  const auto model = make_gru_d(kOptions);
  std::vector<std::string> names;
  for (const auto& item : model->named_parameters()) names.push_back(item.key());
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "input_decay_weight", "input_decay_bias", "hidden_decay_weight",
                         "hidden_decay_bias", "weight_ih", "weight_hh", "bias_ih", "bias_hh",
                         "static_state.weight", "static_state.bias", "fc.weight", "fc.bias"));
  EXPECT_EQ(model->named_buffers().keys(), std::vector<std::string>{"mean"});
}

TEST(GruDModelTest, StaticsSetTheInitialState) {
  torch::manual_seed(2);
  const auto model = make_gru_d(kOptions);
  Batch batch = vitals(2, 4);
  batch.inputs["length"] = torch::zeros({2}, torch::kLong);  // nothing but the statics
  const auto parameters = model->named_parameters();
  const at::Tensor expected = torch::tanh(torch::linear(
      batch.inputs["static"], parameters["static_state.weight"], parameters["static_state.bias"]));
  EXPECT_TRUE(torch::allclose(model->embed(batch).slice(1, 0, 12), expected, 1e-5, 1e-6));
}

TEST(GruDModelTest, UnknownStaticsAreTheirMean) {
  torch::manual_seed(3);
  const auto model = make_gru_d(kOptions);
  Batch batch = vitals(3, 5);
  batch.inputs["static"].select(1, 1).fill_(NAN);
  const at::Tensor unknown = model->forward(batch);
  batch.inputs["static"].select(1, 1).zero_();
  EXPECT_TRUE(torch::equal(unknown, model->forward(batch)));
  EXPECT_FALSE(unknown.isnan().any().item<bool>());
}

TEST(GruDModelTest, WithoutStaticsItNeedsNone) {
  GruDOptions options = kOptions;
  options.statics = 0;
  const auto model = make_gru_d(options);
  Batch batch = vitals(3, 5, options);
  batch.inputs.erase("static");
  EXPECT_EQ(model->embed(batch).sizes(), (std::vector<std::int64_t>{3, 12}));
}

TEST(GruDModelTest, ACaseHasTheSameScoreInAnyBatch) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  const auto model = make_gru_d(kOptions);
  model->eval();
  const Batch batch = vitals(13, 11);
  const at::Tensor all = model->forward(batch);
  for (const std::int64_t i : {0, 7, 12}) {
    EXPECT_TRUE(torch::equal(model->forward(rows_of(batch, i, i + 1))[0], all[i])) << i;
  }
}

TEST(GruDModelTest, ValuesDecayToTheMeanBuffer) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  const auto model = make_gru_d(kOptions);
  Batch batch = vitals(1, 6);
  batch.inputs["mask"].zero_();
  const at::Tensor from_zero = model->forward(batch);
  model->named_buffers()["mean"].fill_(3);
  EXPECT_FALSE(torch::allclose(model->forward(batch), from_zero));
}

TEST(GruDModelTest, PreparedForBfloat16ItIsClose) {
  torch::manual_seed(6);
  const torch::NoGradGuard no_grad;
  const auto model = make_gru_d(kOptions);
  const Batch batch = vitals(8, 10);
  const at::Tensor wide = model->forward(batch);
  model->prepare_inference(at::kBFloat16);
  const at::Tensor narrow = model->forward(batch);
  EXPECT_EQ(narrow.scalar_type(), at::kFloat);
  EXPECT_LE((narrow - wide).abs().max().item<double>(), 0.03);
}

TEST(GruDModelTest, LearnsWhetherAVariableWasMeasured) {
  torch::manual_seed(7);
  const GruDOptions options{.variables = 3, .statics = 1, .units = 8, .outputs = 1};
  const auto model = make_gru_d(options);
  const Batch batch = vitals(64, 6, options);
  const at::Tensor measured =
      batch.inputs.at("mask").select(2, 0).select(1, 0).to(torch::kFloat).unsqueeze(1);
  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(0.03));
  double first = 0, last = 0;
  for (int i = 0; i < 80; ++i) {
    adam.zero_grad();
    const at::Tensor loss =
        torch::binary_cross_entropy_with_logits(model->forward(batch), measured);
    loss.backward();
    adam.step();
    (i == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
}

TEST(GruDModelTest, RefusesBatchesThatLackAnInput) {
  const auto model = make_gru_d(kOptions);
  for (const char* name : {"values", "mask", "delta", "length", "static"}) {
    Batch batch = vitals(2, 4);
    batch.inputs.erase(name);
    EXPECT_THROW(model->embed(batch), c10::Error) << name;
  }
  Batch batch = vitals(2, 4);
  batch.inputs["static"] = torch::zeros({2, 4});
  EXPECT_THROW(model->embed(batch), c10::Error);
}

TEST(GruDModelTest, RefusesSizesAndDropoutOutOfRange) {
  const auto with = [](auto change) {
    GruDOptions options = kOptions;
    change(options);
    return options;
  };
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.variables = 0; })), UsageError);
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.statics = -1; })), UsageError);
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.units = 0; })), UsageError);
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.outputs = 0; })), UsageError);
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.dropout = 1; })), UsageError);
  EXPECT_THROW(make_gru_d(with([](auto& o) { o.dropout = -0.1; })), UsageError);
}

}  // namespace
}  // namespace salus::models
