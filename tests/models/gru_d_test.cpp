#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tests/models/vitals_support.h"

namespace salus::test {
namespace {

ModelSpec small(std::map<std::string, double> options = {{"hidden", 12}}) {
  return stay_spec("gru_d", std::move(options));
}

TEST(GruDModelTest, HasTheParametersByTheirNames) {
  const auto model = make_model(small());
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
  const auto model = make_model(small());
  const Batch batch = stays({0, 0});  // nothing but the statics
  const auto parameters = model->named_parameters();
  const at::Tensor expected =
      torch::tanh(torch::linear(batch.inputs.at("static"), parameters["static_state.weight"],
                                parameters["static_state.bias"]));
  EXPECT_TRUE(torch::allclose(model->embed(batch).slice(1, 0, 12), expected, 1e-5, 1e-6));
}

TEST(GruDModelTest, ACaseHasTheSameScoreInAnyBatch) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  const auto model = make_model(small());
  model->eval();
  const Batch batch = stays({6, 3, 0, 1, 6, 5, 4, 6, 6, 2, 1, 6, 5});
  const at::Tensor all = model->forward(batch);
  for (const std::int64_t i : {0, 7, 12}) {
    EXPECT_TRUE(torch::equal(model->forward(rows_of(batch, i, i + 1))[0], all[i])) << i;
  }
}

TEST(GruDModelTest, ValuesDecayToTheMeanBuffer) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  const auto model = make_model(small());
  Batch batch = stays({6});
  batch.inputs["mask"].zero_();
  const at::Tensor from_zero = model->forward(batch);
  model->named_buffers()["mean"].fill_(3);
  EXPECT_FALSE(torch::allclose(model->forward(batch), from_zero));
}

TEST(GruDModelTest, LearnsWhetherAVariableWasMeasured) {
  torch::manual_seed(7);
  ModelSpec spec = small({{"hidden", 8}});
  spec.outputs = 1;
  const auto model = make_model(spec);
  const Batch batch = stays(std::vector<std::int64_t>(64, 6));
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

}  // namespace
}  // namespace salus::test
