#include "engine/infer/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/engine/infer/bundle_support.h"

namespace salus::test {
namespace {

using infer::FirstLayer;
using infer::Weights;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<double> golden(const std::string& key) {
  std::ifstream file("tests/data/models/torchvision.json");
  return nlohmann::json::parse(file)["checkpoint"][key].get<std::vector<double>>();
}

std::shared_ptr<Model> narrow_densenet(std::int64_t channels = 3, std::int64_t outputs = 3) {
  return make_model(
      spec_of("densenet121", channels, 40, 40, outputs, {{"growth", 2}, {"width", 4}}));
}

at::Tensor logits(Model& model, const at::Tensor& image) {
  at::NoGradGuard no_grad;
  model.eval();
  return model.forward(batch_of(image));
}

class PublishedWeightsTest : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string path_ = "tests/data/models/densenet_narrow." + GetParam();
  const at::Tensor image_ = formula_image({1, 3, 40, 40});
};

TEST_P(PublishedWeightsTest, GiveTorchvisionsLogits) {
  const auto model = narrow_densenet();
  EXPECT_TRUE(infer::load_weights(*model, path_).empty());
  EXPECT_LT(relative_error(logits(*model, image_), torch::tensor(golden("logits")).view({1, 3})),
            1e-5);
}

TEST_P(PublishedWeightsTest, AdaptedByTheSumScoreAGreyImageAsItsRepetitionInRgb) {
  const auto model = narrow_densenet(1);
  const auto notes = infer::load_weights(*model, path_, {FirstLayer::kSum, false});
  EXPECT_THAT(notes, ElementsAre("features.conv0.weight was adapted from 3 to 1 input channels by "
                                 "the sum."));
  EXPECT_LT(relative_error(logits(*model, image_.narrow(1, 0, 1)),
                           torch::tensor(golden("gray_logits")).view({1, 3})),
            1e-5);
}

TEST_P(PublishedWeightsTest, TakeAnotherHeadOnlyWhenAskedTo) {
  const auto model = narrow_densenet(3, 1);
  EXPECT_THAT(message_of([&] { infer::load_weights(*model, path_); }),
              AllOf(HasSubstr("classifier.weight: the shape is [3, "), HasSubstr(path_)));
  const auto notes = infer::load_weights(*model, path_, {FirstLayer::kStrict, true});
  EXPECT_THAT(notes, ElementsAre("classifier.bias keeps its initial values.",
                                 "classifier.weight keeps its initial values."));
}

INSTANTIATE_TEST_SUITE_P(Files, PublishedWeightsTest, ::testing::Values("pt", "safetensors"),
                         [](const auto& info) { return info.param; });

class LoadWeightsTest : public ::testing::Test {
 protected:
  LoadWeightsTest() { weights_ = infer::state_dict(*narrow_densenet()); }
  std::string error(const infer::LoadOptions& options = {}) {
    return message_of([&] { infer::load_weights(*model_, weights_, options, "here"); });
  }
  std::shared_ptr<Model> model_ = narrow_densenet();
  Weights weights_;
};

TEST_F(LoadWeightsTest, CopiesEveryValueIntoAnyLayout) {
  for (auto& parameter : model_->parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  infer::load_weights(*model_, weights_, {}, "here");
  for (const auto& [name, value] : infer::state_dict(*model_)) {
    EXPECT_TRUE(torch::equal(value, weights_.at(name))) << name;
  }
}

TEST_F(LoadWeightsTest, KnowsTheNamesOfOlderCheckpointsAndOfDataParallel) {
  Weights old;
  for (const auto& [name, value] : weights_) {
    std::string published = "module." + name;
    for (const std::string part : {"norm1", "norm2", "conv1", "conv2"}) {
      const auto at = published.find("." + part + ".");
      if (name.find("denselayer") != std::string::npos && at != std::string::npos) {
        published.insert(at + 5, ".");
      }
    }
    old[published] = value;
  }
  EXPECT_TRUE(old.contains("module.features.denseblock1.denselayer1.norm.1.weight"));
  EXPECT_TRUE(infer::load_weights(*model_, old, {}, "here").empty());
}

TEST_F(LoadWeightsTest, ListsMissingAndUnexpectedNamesAndLeavesTheModel) {
  const Weights before = infer::state_dict(*model_);
  weights_.erase("features.norm5.bias");
  weights_["features.norm9.bias"] = torch::zeros({3});
  EXPECT_THAT(error(), AllOf(HasSubstr("features.norm5.bias: missing"),
                             HasSubstr("features.norm9.bias: not in the model"),
                             HasSubstr("weights of here")));
  for (const auto& [name, value] : infer::state_dict(*model_)) {
    EXPECT_TRUE(torch::equal(value, before.at(name))) << name;
  }
}

TEST_F(LoadWeightsTest, ShowsAtMostTwentyProblems) {
  weights_.clear();
  EXPECT_THAT(error(), HasSubstr("more\n"));
}

TEST_F(LoadWeightsTest, ForgivesAMissingCounterOfBatches) {
  std::erase_if(weights_, [](const auto& item) { return item.first.ends_with("tracked"); });
  EXPECT_TRUE(infer::load_weights(*model_, weights_, {}, "here").empty());
}

TEST_F(LoadWeightsTest, ConvertsFloatsAmongThemselvesAndNothingElse) {
  weights_["classifier.bias"] = torch::tensor({1.0, 2.0, 3.0}, torch::kDouble);
  weights_["features.norm5.bias"] = weights_["features.norm5.bias"].to(torch::kHalf);
  infer::load_weights(*model_, weights_, {}, "here");
  EXPECT_EQ(infer::state_dict(*model_).at("classifier.bias")[2].item<float>(), 3);
  weights_["classifier.bias"] = torch::tensor({1, 2, 3}, torch::kLong);
  EXPECT_THAT(error(), HasSubstr("classifier.bias: the type is Long, the model's Float"));
}

TEST_F(LoadWeightsTest, RefusesNaNAndInfinity) {
  weights_["classifier.bias"] = torch::tensor({1.0f, NAN, 3.0f});
  EXPECT_THAT(error(), HasSubstr("classifier.bias: holds NaN or infinity"));
  weights_["classifier.bias"] = torch::tensor({1.0f, INFINITY, 3.0f});
  EXPECT_THAT(error(), HasSubstr("classifier.bias: holds NaN or infinity"));
}

TEST_F(LoadWeightsTest, AdaptsTheFirstLayerByTheMeanAndFromGreyToColour) {
  const at::Tensor colour = weights_.at("features.conv0.weight");
  const auto grey = narrow_densenet(1);
  EXPECT_THAT(
      message_of([&] { infer::load_weights(*grey, weights_, {}, "here"); }),
      HasSubstr("features.conv0.weight: the shape is [4, 3, 7, 7], the model's [4, 1, 7, 7]"));
  infer::load_weights(*grey, weights_, {FirstLayer::kMean, false}, "here");
  const Weights adapted = infer::state_dict(*grey);
  EXPECT_TRUE(torch::allclose(adapted.at("features.conv0.weight"), colour.mean(1, true)));
  infer::load_weights(*model_, adapted, {FirstLayer::kSum, false}, "here");
  const at::Tensor third = infer::state_dict(*model_).at("features.conv0.weight");
  EXPECT_TRUE(torch::allclose(third.sum(1, true), adapted.at("features.conv0.weight")));
}

TEST(NamedArrayTest, ComesBackFromEveryStoredType) {
  for (const auto type : {torch::kDouble, torch::kFloat, torch::kHalf, torch::kBFloat16,
                          torch::kLong, torch::kInt, torch::kShort, torch::kChar, torch::kByte}) {
    const at::Tensor tensor = torch::arange(6).view({2, 3}).to(type);
    const io::NamedArray array = infer::to_array(tensor.t(), "x");
    EXPECT_EQ(array.shape, (std::vector<std::int64_t>{3, 2}));
    EXPECT_TRUE(torch::equal(infer::to_tensor(array, "x"), tensor.t()));
  }
  EXPECT_THAT(message_of([] { infer::to_array(torch::zeros({1}, torch::kComplexFloat), "x"); }),
              HasSubstr("x has the type"));
  EXPECT_THAT(message_of([] { infer::to_tensor({"F8_E4M3", {1}, {std::byte{0}}}, "x"); }),
              HasSubstr("F8_E4M3"));
}

}  // namespace
}  // namespace salus::test
