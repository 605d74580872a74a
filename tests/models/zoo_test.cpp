#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/error.h"
#include "tests/models/model_support.h"

namespace salus::test {
namespace {

using ::testing::HasSubstr;

template <typename Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::string> names() {
  Registry registry;
  register_zoo(registry);
  std::vector<std::string> names;
  for (const ModelEntry& entry : registry.entries()) {
    if (entry.modality == Modality::kImage) names.push_back(entry.name);
  }
  return names;
}

/// The model with few channels: it has all its layers at a fraction of the cost.
ModelSpec slim(const std::string& name, std::int64_t channels, std::int64_t height,
               std::int64_t width, std::int64_t outputs, std::map<std::string, double> more = {}) {
  static const std::map<std::string, std::map<std::string, double>> few{
      {"densenet121", {{"growth", 8}, {"width", 16}}},
      {"efficientnet_b0", {{"width", 0.25}}},
      {"smallcnn", {{"width", 8}, {"dense", 32}}}};
  const auto found = few.find(name);
  auto options = found == few.end() ? std::map<std::string, double>{{"width", 8}} : found->second;
  options.merge(more);
  return spec_of(name, channels, height, width, outputs, options);
}

class ZooTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ZooTest, TakesAnyChannelCountAndOddSizes) {
  torch::manual_seed(1);
  for (const std::int64_t channels : {1, 5}) {
    const auto model = make_model(slim(GetParam(), channels, 45, 70, 4));
    model->eval();
    at::NoGradGuard no_grad;
    const at::Tensor logits = model->forward(batch_of(torch::rand({3, channels, 45, 70})));
    EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{3, 4}));
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
  }
}

TEST_P(ZooTest, GradientsReachEveryParameter) {
  torch::manual_seed(2);
  const auto model = make_model(slim(GetParam(), 1, 40, 40, 2));
  model->train();
  model->forward(batch_of(torch::rand({4, 1, 40, 40}))).square().sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST_P(ZooTest, TrainsUnderBfloat16AutocastWithFloat32Logits) {
  torch::manual_seed(3);
  const auto model = make_model(slim(GetParam(), 1, 40, 40, 2));
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const at::Tensor image = torch::rand({4, 1, 40, 40}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor logits = model->forward(batch_of(image));
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  logits.sum().backward();
  EXPECT_TRUE(model->parameters()[0].grad().isfinite().all().item<bool>());
}

TEST_P(ZooTest, NamesItsFirstLayerAndHead) {
  const auto model = make_model(slim(GetParam(), 5, 40, 40, 7));
  const auto state = state_of(*model);
  ASSERT_TRUE(state.contains(model->first_layer() + ".weight"));
  EXPECT_EQ(state.at(model->first_layer() + ".weight").size(1), 5);
  ASSERT_TRUE(state.contains(model->head() + ".weight"));
  EXPECT_EQ(state.at(model->head() + ".weight").size(0), 7);
}

TEST_P(ZooTest, DropoutActsInTrainingOnly) {
  torch::manual_seed(4);
  const auto model = make_model(slim(GetParam(), 1, 40, 40, 2, {{"dropout", 0.5}}));
  const at::Tensor features = torch::rand({2, 1, 40, 40});
  at::NoGradGuard no_grad;
  model->eval();
  const at::Tensor embedding = model->embed(batch_of(features));
  EXPECT_TRUE(torch::equal(model->classify(embedding), model->classify(embedding)));
  model->train();
  EXPECT_FALSE(torch::equal(model->classify(embedding), model->classify(embedding)));
}

TEST_P(ZooTest, NamesTheNearestOptionForAnUnknownOne) {
  EXPECT_THAT(error_of([] { make_model(spec_of(GetParam(), 1, 40, 40, 2, {{"dropuot", 0.5}})); }),
              HasSubstr("Did you mean 'dropout'?"));
}

INSTANTIATE_TEST_SUITE_P(All, ZooTest, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

TEST(RegistryTest, NamesTheNearestModelForAnUnknownOne) {
  EXPECT_THAT(error_of([] { make_model(spec_of("resnet81", 1, 40, 40, 2)); }),
              HasSubstr("There is no model 'resnet81'. Did you mean 'resnet18'?"));
}

TEST(RegistryTest, RejectsSizesBelowOne) {
  for (const ModelSpec& spec :
       {spec_of("resnet18", 0, 40, 40, 2), spec_of("resnet18", 1, 0, 40, 2),
        spec_of("resnet18", 1, 40, -1, 2), spec_of("resnet18", 1, 40, 40, 0)}) {
    EXPECT_THAT(error_of([&] { make_model(spec); }), HasSubstr("must be at least 1"));
  }
}

TEST(RegistryTest, RejectsTheSameNameTwice) {
  Registry registry;
  register_zoo(registry);
  EXPECT_THAT(error_of([&] { register_zoo(registry); }), HasSubstr("registered twice"));
}

TEST(ResNetTest, RejectsOptionValuesOutOfRange) {
  const auto make = [](const std::string& key, double value) {
    return error_of([&] { make_model(spec_of("resnet18", 1, 40, 40, 2, {{key, value}})); });
  };
  EXPECT_THAT(make("width", 0), HasSubstr("whole number from 1"));
  EXPECT_THAT(make("width", 16.5), HasSubstr("whole number from 1"));
  EXPECT_THAT(make("width", std::nan("")), HasSubstr("whole number from 1"));
  EXPECT_THAT(make("dropout", 1), HasSubstr("below 1"));
  EXPECT_THAT(make("small", 2), HasSubstr("0 or 1"));
}

TEST(ResNetTest, SmallStemKeepsTheImageSize) {
  const auto model = make_model(spec_of("resnet18", 1, 28, 28, 2, {{"small", 1}, {"width", 8}}));
  const at::Tensor map = model->feature_map(batch_of(torch::rand({1, 1, 28, 28})));
  EXPECT_EQ(map.sizes(), (std::vector<std::int64_t>{1, 64, 4, 4}));
}

TEST(ResNetTest, ZeroInitResidualMakesEachPlainBlockTheIdentity) {
  const auto model =
      make_model(spec_of("resnet18", 1, 28, 28, 2, {{"width", 8}, {"zero_init_residual", 1}}));
  const auto state = state_of(*model);
  EXPECT_EQ(state.at("layer1.0.bn2.weight").abs().max().item<float>(), 0);
  EXPECT_EQ(state.at("layer1.0.bn1.weight").min().item<float>(), 1);
}

TEST(SmallCnnTest, RejectsImagesBelowEightPixels) {
  EXPECT_THAT(error_of([] { make_model(spec_of("smallcnn", 1, 7, 28, 2)); }),
              HasSubstr("8 x 8 is the least"));
}

TEST(EfficientNetTest, RejectsAWidthThatIsNotPositive) {
  EXPECT_THAT(
      error_of([] { make_model(spec_of("efficientnet_b0", 1, 40, 40, 2, {{"width", 0}})); }),
      HasSubstr("must be above 0"));
}

TEST(EfficientNetTest, StochasticDepthLeavesBlocksOutInTraining) {
  torch::manual_seed(5);
  const ModelSpec spec = spec_of("efficientnet_b0", 1, 32, 32, 1, {{"stochastic_depth", 0.5}});
  const auto model = make_model(spec);
  model->train();
  at::NoGradGuard no_grad;
  const at::Tensor image = torch::rand({4, 1, 32, 32});
  EXPECT_FALSE(
      torch::equal(model->feature_map(batch_of(image)), model->feature_map(batch_of(image))));
}

}  // namespace
}  // namespace salus::test
