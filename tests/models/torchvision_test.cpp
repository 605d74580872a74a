// Our networks against torchvision's, on weights made by a formula and by the seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/models/model_support.h"

namespace salus::test {
namespace {

using Json = nlohmann::json;

Json golden() {
  std::ifstream file("tests/data/models/torchvision.json");
  return Json::parse(file);
}

ModelSpec spec_from(const Json& row) {
  return spec_of(row["model"], row["channels"], row["height"], row["width"], row["outputs"],
                 row["options"].get<std::map<std::string, double>>());
}

at::Tensor logits_from(const Json& row) {
  auto values = row["logits"].get<std::vector<double>>();
  return torch::tensor(values, torch::kDouble).view({-1, row["outputs"].get<std::int64_t>()});
}

class TorchvisionTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const Json rows = golden()["outputs"];
    ASSERT_EQ(rows.size(), 10u);
    row_ = rows[static_cast<std::size_t>(GetParam())];
    const ModelSpec spec = spec_from(row_);
    SCOPED_TRACE(spec.name);
    model_ = make_model(spec);
    fill_by_formula(*model_);
    model_->eval();
    image_ = formula_image({2, spec.channels, spec.height, spec.width});
  }

  Json row_;
  std::shared_ptr<Model> model_;
  at::Tensor image_;
};

TEST_P(TorchvisionTest, GivesTheSameLogitsInBothLayoutsAndFromItsFeatureMap) {
  at::NoGradGuard no_grad;
  const at::Tensor golden = logits_from(row_);
  const Batch batch = batch_of(image_);
  const at::Tensor logits = model_->forward(batch);
  EXPECT_LT(relative_error(logits, golden), 1e-5);

  const at::Tensor map = model_->feature_map(batch);
  EXPECT_EQ(map.dim(), 4);
  EXPECT_TRUE(torch::equal(model_->classify(model_->pool(map)), logits));
  EXPECT_TRUE(torch::equal(model_->pool(map), model_->embed(batch)));

  for (auto& parameter : model_->parameters()) {
    if (parameter.dim() == 4)
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  const at::Tensor image = image_.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LT(relative_error(model_->forward(batch_of(image)), golden), 1e-5);
}

TEST_P(TorchvisionTest, GivesTheSameLogitsPreparedForInference) {
  at::InferenceMode inference;
  model_->prepare_inference(at::kFloat);
  const at::Tensor image = image_.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LT(relative_error(model_->forward(batch_of(image)), logits_from(row_)), 1e-5);
}

// bfloat16 keeps 8 bits; layer after layer the errors add up.
TEST_P(TorchvisionTest, StaysNearInBfloat16) {
  at::InferenceMode inference;
  model_->prepare_inference(at::kBFloat16);
  const at::Tensor image = image_.to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor logits = model_->forward(batch_of(image));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(logits, logits_from(row_)), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Golden, TorchvisionTest, ::testing::Range(0, 10));

class InitialWeightsTest : public ::testing::TestWithParam<int> {};

TEST_P(InitialWeightsTest, EqualTorchvisionsForTheSameSeed) {
  const Json row = golden()["initial"][static_cast<std::size_t>(GetParam())];
  torch::manual_seed(row["seed"].get<std::uint64_t>());
  const auto model = make_model(spec_of(row["model"], 3, 64, 64, row["outputs"]));
  auto state = state_of(*model);
  std::erase_if(state, [](const auto& item) { return !item.second.is_floating_point(); });
  ASSERT_EQ(state.size(), row["tensors"].size());
  for (const auto& [name, sums] : row["tensors"].items()) {
    ASSERT_TRUE(state.contains(name)) << name;
    const at::Tensor value = state[name].detach().to(torch::kDouble);
    const double magnitude = sums[1];
    EXPECT_NEAR(value.sum().item<double>(), sums[0].get<double>(), 1e-6 * magnitude) << name;
    EXPECT_NEAR(value.abs().sum().item<double>(), magnitude, 1e-6 * magnitude) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, InitialWeightsTest, ::testing::Range(0, 3));

}  // namespace
}  // namespace salus::test
