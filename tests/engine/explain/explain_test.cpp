#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "engine/explain/attribution.h"
#include "engine/explain/heatmap.h"
#include "engine/explain/overlay.h"
#include "engine/explain/placement.h"
#include "engine/io/files.h"
#include "tests/engine/infer/bundle_support.h"

namespace salus::test {
namespace {

using ::testing::HasSubstr;

/// logits = W mean(image): its feature map is the image.
class LinearModel : public Model {
 public:
  LinearModel(std::int64_t channels, std::int64_t outputs) {
    weight_ = register_parameter("weight", torch::ones({outputs, channels}));
  }
  at::Tensor feature_map(const Batch& batch) override { return batch.inputs.at("image"); }
  at::Tensor pool(const at::Tensor& map) override { return map.mean({2, 3}); }
  at::Tensor embed(const Batch& batch) override { return pool(feature_map(batch)); }
  at::Tensor classify(const at::Tensor& f) override { return torch::matmul(f, weight_.t()); }
  at::Tensor weight_;
};

/// The logit is the mean of the upper left quadrant; there is no feature map.
class QuadrantModel : public Model {
 public:
  QuadrantModel() { weight_ = register_parameter("weight", torch::ones({1, 1})); }
  at::Tensor embed(const Batch& batch) override {
    const at::Tensor image = batch.inputs.at("image");
    return image.narrow(2, 0, image.size(2) / 2).narrow(3, 0, image.size(3) / 2).mean({2, 3});
  }
  at::Tensor classify(const at::Tensor& features) override {
    return torch::matmul(features.narrow(1, 0, 1), weight_);
  }
  at::Tensor weight_;
};

Registry hand_made() {
  Registry registry;
  registry.add({"linear", "", {}, [](const ModelSpec& spec) {
                  return std::make_shared<LinearModel>(spec.channels, spec.outputs);
                }});
  registry.add(
      {"quadrant", "", {}, [](const ModelSpec&) { return std::make_shared<QuadrantModel>(); }});
  return registry;
}

infer::Session session_of(const std::string& model, const std::string& fit = "stretch") {
  infer::Bundle bundle;
  bundle.name = "hand-made";
  bundle.task = {TaskKind::kBinary, {"finding"}};
  bundle.model = spec_of(model, 1, 16, 16, 1);
  bundle.transform_toml = "size = [16, 16]\nwindow = \"full\"\nfit = \"" + fit + "\"\n";
  bundle.weights = infer::state_dict(*hand_made().make(bundle.model));
  return infer::Session(bundle, hand_made(), "cpu");
}

/// Black with one white rectangle.
io::Image image_with(std::int64_t rows, std::int64_t columns, const kernels::Box& white) {
  io::Image image = grey_image(rows, columns, "x");
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const bool inside = r >= white.top && r < white.top + white.height && c >= white.left &&
                          c < white.left + white.width;
      (*image.pixels.bytes)[static_cast<std::size_t>(r * columns + c)] =
          std::byte{static_cast<unsigned char>(inside ? 255 : 0)};
    }
  }
  return image;
}

TEST(GradCamTest, OfALinearModelIsTheFormula) {
  LinearModel model(3, 2);
  {
    at::NoGradGuard no_grad;
    model.weight_.copy_(torch::tensor({{1.0f, 1.0f, 1.0f}, {0.5f, -2.0f, 1.0f}}));
  }
  torch::manual_seed(1);
  const at::Tensor image = torch::randn({1, 3, 5, 7});
  const auto found = explain::grad_cam(model, image, 1);
  // d logit / d map = w / 35 everywhere, so cam = relu(sum_c w_c map_c) / 35.
  const at::Tensor w = torch::tensor({0.5f, -2.0f, 1.0f}).view({3, 1, 1});
  EXPECT_TRUE(torch::allclose(found.map, (w * image[0]).sum(0).relu() / 35, 1e-5, 1e-7));
  EXPECT_GE(found.map.min().item<float>(), 0);
  EXPECT_NEAR(found.logit, (w * image[0]).sum().item<double>() / 35, 1e-5);
}

TEST(GradCamTest, RefusesAModelWithoutFeatureMap) {
  QuadrantModel model;
  EXPECT_THAT(message_of([&] { explain::grad_cam(model, torch::ones({1, 1, 8, 8}), 0); }),
              HasSubstr("no feature map"));
}

TEST(OcclusionTest, LightsTheQuadrantThatTheModelReads) {
  QuadrantModel model;
  for (const auto& [window, stride] : {std::pair{4, 4}, {4, 2}, {3, 2}, {1, 1}, {5, 7}}) {
    const auto found = explain::occlusion(model, torch::ones({1, 1, 16, 16}), 0, window, stride,
                                          torch::zeros({1}), 5);
    EXPECT_NEAR(found.logit, 1, 1e-6);
    const at::Tensor read = found.map.slice(0, 0, 9 - window).slice(1, 0, 9 - window);
    EXPECT_GT(read.min().item<float>(), 0) << window;
    EXPECT_EQ(found.map.slice(0, 8 + window).abs().sum().item<float>(), 0) << window;
    EXPECT_EQ(found.map.slice(1, 8 + window).abs().sum().item<float>(), 0) << window;
  }
}

TEST(OcclusionTest, IsTheFallOfTheLogit) {
  QuadrantModel model;
  const auto found =
      explain::occlusion(model, torch::ones({1, 1, 8, 8}), 0, 2, 2, torch::full({1}, 3.0f), 16);
  // Each window inside the quadrant changes 4 of 16 pixels from 1 to 3.
  EXPECT_TRUE(torch::allclose(found.map.slice(0, 0, 4).slice(1, 0, 4), torch::full({4, 4}, -0.5f)));
}

TEST(OcclusionTest, AWindowLargerThanTheImageHidesAllOfIt) {
  QuadrantModel model;
  const auto found =
      explain::occlusion(model, torch::ones({1, 1, 6, 9}), 0, 100, 3, torch::zeros({1}), 4);
  EXPECT_TRUE(torch::allclose(found.map, torch::ones({6, 9})));
}

kernels::PreprocessSpec spec_with(kernels::Fit fit) {
  kernels::PreprocessSpec spec;
  spec.height = spec.width = 8;
  spec.fit = fit;
  return spec;
}

TEST(PlacementTest, StretchedMapsKeepTheirOwnCells) {
  const at::Tensor map = torch::arange(64, torch::kFloat).view({8, 8});
  const at::Tensor same = explain::to_source(map, spec_with(kernels::Fit::kStretch), {}, 8, 8);
  EXPECT_TRUE(torch::allclose(same, map));
  const at::Tensor wide =
      explain::to_source(torch::full({2, 3}, 5.0f), spec_with(kernels::Fit::kStretch), {}, 31, 17);
  EXPECT_TRUE(torch::equal(wide, torch::full({31, 17}, 5.0f)));
}

TEST(PlacementTest, PaddingIsLeftOut) {
  // 16 x 8 becomes 8 x 4 at columns 2..5; the map's own columns 0, 1, 6, 7 are padding.
  at::Tensor map = torch::zeros({8, 8});
  map.slice(1, 2, 6).fill_(1);
  const at::Tensor placed = explain::to_source(map, spec_with(kernels::Fit::kPad), {}, 16, 8);
  EXPECT_EQ(placed.slice(1, 1, 7).min().item<float>(), 1);
}

TEST(PlacementTest, WhatACropCutsOffIsZero) {
  // 8 x 16 covers 8 x 8; columns 0..3 and 12..15 of the source are not seen.
  const at::Tensor placed =
      explain::to_source(torch::ones({8, 8}), spec_with(kernels::Fit::kCrop), {}, 8, 16);
  EXPECT_EQ(placed.slice(1, 0, 4).sum().item<float>(), 0);
  EXPECT_EQ(placed.slice(1, 4, 12).min().item<float>(), 1);
  EXPECT_EQ(placed.slice(1, 12).sum().item<float>(), 0);
}

TEST(PlacementTest, OnlyTheBoxIsCovered) {
  const at::Tensor placed = explain::to_source(
      torch::ones({8, 8}), spec_with(kernels::Fit::kStretch), {2, 3, 4, 5}, 10, 10);
  EXPECT_EQ(placed.sum().item<float>(), 20);
  EXPECT_EQ(placed.slice(0, 2, 6).slice(1, 3, 8).min().item<float>(), 1);
}

TEST(ExplainTest, GradCamLightsTheWhiteRectangleOfTheSource) {
  for (const std::string fit : {"stretch", "pad"}) {
    const auto session = session_of("linear", fit);
    const io::Image image = image_with(48, 32, {24, 8, 12, 12});
    const auto heatmap = explain::explain(session, image, "finding");
    EXPECT_EQ(heatmap.values.sizes(), (std::vector<std::int64_t>{48, 32}));
    EXPECT_GT(heatmap.values[30][14].item<float>(), 0.9 * heatmap.largest) << fit;
    EXPECT_EQ(heatmap.values[5][14].item<float>(), 0) << fit;
    EXPECT_EQ(heatmap.method, "grad-cam");
    EXPECT_EQ(heatmap.label, "finding");
  }
}

TEST(ExplainTest, OcclusionLightsTheQuadrantOfTheSource) {
  const auto session = session_of("quadrant");
  explain::Options options;
  options.method = explain::Method::kOcclusion;
  const auto heatmap = explain::explain(session, image_with(40, 64, {0, 0, 40, 64}), "", options);
  EXPECT_GT(heatmap.values.slice(0, 0, 16).slice(1, 0, 28).min().item<float>(), 0);
  EXPECT_EQ(heatmap.values.slice(0, 26).abs().sum().item<float>(), 0);
  EXPECT_NEAR(heatmap.logit, 1, 1e-5);
}

TEST(ExplainTest, ExplainsARealCtByARealNetwork) {
  const infer::Session session(ct_bundle(), zoo(), "cpu");
  const io::Image image =
      io::read_image("tests/data/dicom/ct_contrast/ID_0005_AGE_0048_CONTRAST_1_CT.dcm");
  const auto heatmap = explain::explain(session, image, "contrast");
  EXPECT_EQ(heatmap.values.size(0), image.pixels.rows);
  EXPECT_NEAR(heatmap.logit, session.predict({image}, {"x"})[0].logits[0],
              1e-3 * std::max(1.0, std::abs(heatmap.logit)));
}

TEST(ExplainTest, RefusesUnknownLabelsFramesWindowsMethodsAndForeignImages) {
  const auto session = session_of("linear");
  const io::Image image = image_with(20, 20, {});
  const auto error = [&](const std::string& label, explain::Options options) {
    return message_of([&] { explain::explain(session, image, label, options); });
  };
  EXPECT_THAT(error("findign", {}), HasSubstr("Did you mean 'finding'?"));
  explain::Options options;
  options.frame = 1;
  EXPECT_THAT(error("", options), HasSubstr("no frame 1"));
  options = {explain::Method::kOcclusion};
  options.window = -1;
  EXPECT_THAT(error("", options), HasSubstr("at least 1 pixel"));
  EXPECT_THAT(message_of([] { explain::parse_method("lime"); }),
              HasSubstr("grad-cam or occlusion"));
  const infer::Session ct(ct_bundle(), zoo(), "cpu");
  const io::Image mr = io::read_image("tests/data/dicom/odd/MR_small_RLE.dcm");
  EXPECT_THAT(message_of([&] { explain::explain(ct, mr, ""); }), HasSubstr("this file says MR"));
}

TEST(OverlayTest, IsTheWindowedImageWhereNothingIsLit) {
  const auto session = session_of("linear");
  const io::Image image = image_with(40, 60, {10, 10, 10, 10});
  auto heatmap = explain::explain(session, image, "");
  heatmap.values.zero_();
  heatmap.values[15][15] = 1;
  heatmap.largest = 1;
  TemporaryFolder folder;
  explain::write_overlay(folder / "o.png", session, image, heatmap);
  const cv::Mat png = cv::imread(folder / "o.png", cv::IMREAD_COLOR);
  ASSERT_EQ(png.rows, 40);
  ASSERT_EQ(png.cols, 60);
  EXPECT_EQ(png.at<cv::Vec3b>(12, 12), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(png.at<cv::Vec3b>(2, 2), cv::Vec3b(0, 0, 0));
  EXPECT_NE(png.at<cv::Vec3b>(15, 15), cv::Vec3b(255, 255, 255));
  const auto bright = [&](int row) {
    const cv::Vec3b p = png.at<cv::Vec3b>(row, 59);
    return p[0] + p[1] + p[2];
  };
  EXPECT_GT(bright(0), bright(20));
  EXPECT_GT(bright(20), bright(39));
}

}  // namespace
}  // namespace salus::test
