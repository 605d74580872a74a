#include "engine/infer/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "engine/io/image.h"
#include "tests/engine/infer/bundle_support.h"

namespace salus::test {
namespace {

using infer::Prediction;
using infer::Session;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

io::Image ct(const std::string& id) {
  return io::read_image("tests/data/dicom/ct_contrast/" + id + "_CT.dcm");
}

std::vector<io::Image> real_images() {
  return {ct("ID_0005_AGE_0048_CONTRAST_1"), ct("ID_0029_AGE_0078_CONTRAST_1"),
          ct("ID_0051_AGE_0063_CONTRAST_0"), ct("ID_0063_AGE_0073_CONTRAST_0")};
}

/// Architectures and types whose scores must not depend on the company they are in.
struct Case {
  std::string model, dtype;
  std::map<std::string, double> options;  // narrow, for speed
};

infer::Bundle bundle_of(const Case& test, std::int64_t micro_batch) {
  infer::Bundle bundle = ct_bundle(test.dtype, micro_batch);
  bundle.model = spec_of(test.model, 1, 32, 32, 1, test.options);
  const auto model = make_model(bundle.model);
  fill_by_formula(*model);
  bundle.weights = infer::state_dict(*model);
  return bundle;
}

class ScoreTest : public ::testing::TestWithParam<Case> {};

TEST_P(ScoreTest, IsTheSameToTheBitAloneAndInAnyBatch) {
  const Session session(bundle_of(GetParam(), 3), zoo(), "cpu");
  const std::vector<io::Image> images = real_images();
  std::vector<std::vector<float>> alone;
  for (const io::Image& image : images) {
    const Prediction prediction = session.predict({image}, {"x"}, {true, false})[0];
    ASSERT_TRUE(std::isfinite(prediction.logits[0]));
    alone.push_back(prediction.embedding);
    alone.back().push_back(prediction.logits[0]);
  }
  EXPECT_NE(alone[0], alone[1]);
  // Every ordered choice of one to four of the four images: each place in a micro-batch of three,
  // full and padded, beside every other image.
  for (int code = 0; code < 4 + 16 + 64 + 256; ++code) {
    const int length = code < 4 ? 1 : code < 20 ? 2 : code < 84 ? 3 : 4;
    if (length == 4 && code % 16 != 4) continue;
    std::vector<io::Image> batch;
    std::vector<std::string> ids;
    std::vector<int> which;
    int rest = code - (length == 1 ? 0 : length == 2 ? 4 : length == 3 ? 20 : 84);
    for (int i = 0; i < length; ++i, rest /= 4) {
      which.push_back(rest % 4);
      batch.push_back(images[static_cast<std::size_t>(rest % 4)]);
      ids.push_back(std::to_string(i));
    }
    const auto predictions = session.predict(batch, ids, {true, false});
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      std::vector<float> found = predictions[i].embedding;
      found.push_back(predictions[i].logits[0]);
      const auto& expected = alone[static_cast<std::size_t>(which[i])];
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_EQ(found[k], expected[k]) << "value " << k << " of image " << i << " of " << code;
      }
    }
  }
}

TEST_P(ScoreTest, IsTheSameFromSeveralThreadsAtOnce) {
  const Session session(bundle_of(GetParam(), 2), zoo(), "cpu");
  const io::Image image = real_images()[0];
  const float expected = session.predict({image}, {"x"})[0].logits[0];
  std::vector<float> found(4);
  std::vector<std::thread> threads;
  for (float& result : found) {
    threads.emplace_back([&] { result = session.predict({image}, {"x"})[0].logits[0]; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(found, ElementsAre(expected, expected, expected, expected));
}

TEST_P(ScoreTest, EqualsTheModelBehindTheTransform) {
  const Session session(bundle_of(GetParam(), 2), zoo(), "cpu");
  const io::Image image = real_images()[2];
  const at::Tensor input = session.transform().apply(image, 0).unsqueeze(0);
  at::NoGradGuard no_grad;
  const double expected = session.model()->forward(batch_of(input)).item<double>();
  const double tolerance = GetParam().dtype == "float32" ? 1e-4 : 0.15;
  EXPECT_NEAR(session.predict({image}, {"x"})[0].logits[0], expected,
              tolerance * std::max(1.0, std::abs(expected)));
}

INSTANTIATE_TEST_SUITE_P(All, ScoreTest,
                         ::testing::Values(Case{"resnet18", "float32", {{"width", 16}}},
                                           Case{"resnet18", "bfloat16", {{"width", 32}}},
                                           Case{"densenet121", "bfloat16", {{"growth", 8}}},
                                           Case{"efficientnet_b0", "float32", {{"width", 0.25}}},
                                           Case{"efficientnet_b0", "bfloat16", {{"width", 0.5}}},
                                           Case{"smallcnn", "bfloat16", {}}),

                         [](const auto& info) {
                           return info.param.model + "_" + info.param.dtype;
                         });

class SessionTest : public ::testing::Test {
 protected:
  infer::Bundle free_bundle(const std::string& pool = "mean") {
    infer::Bundle bundle = ct_bundle();
    bundle.accepts = {};
    bundle.transform_toml =
        "size = [32, 32]\nwindow = \"full\"\nframes = \"all\"\npool = \"" + pool + "\"\n";
    return bundle;
  }
};

TEST_F(SessionTest, LoadsABundleFromItsFolder) {
  TemporaryFolder folder;
  infer::save_bundle(ct_bundle(), folder / "ct");
  const Session session = Session::load(folder / "ct", zoo());
  const Session direct(ct_bundle(), zoo(), "cpu");
  const io::Image image = real_images()[0];
  EXPECT_EQ(session.predict({image}, {"x"})[0].probabilities,
            direct.predict({image}, {"x"})[0].probabilities);
}

TEST_F(SessionTest, CalibratesAndDecidesAtTheFirstOperatingPoint) {
  const Session session(ct_bundle(), zoo(), "cpu");
  const Prediction prediction = session.predict({real_images()[0]}, {"a"})[0];
  const double p = 1 / (1 + std::exp(-static_cast<double>(prediction.logits[0]) / 1.5));
  EXPECT_NEAR(prediction.probabilities[0], p, 1e-12);
  EXPECT_EQ(prediction.decisions[0], p >= 0.4 ? 1 : 0);
  EXPECT_EQ(prediction.id, "a");
  EXPECT_EQ(session.decisions({0.4})[0], 1);
  EXPECT_EQ(session.decisions({std::nextafter(0.4, 0)})[0], 0);
}

TEST_F(SessionTest, RefusesWhatDoesNotFitUnlessForcedAndNamesIt) {
  const Session session(ct_bundle(), zoo(), "cpu");
  const io::Image mr = io::read_image("tests/data/dicom/odd/MR_small_RLE.dcm");
  EXPECT_THAT(message_of([&] { session.predict({mr}, {"mr.dcm"}); }),
              HasSubstr("The bundle takes the modality CT; this file says MR."));
  EXPECT_THAT(message_of([&] { session.predict({real_images()[0], mr}, {"ct.dcm", "mr.dcm"}); }),
              HasSubstr("mr.dcm: The bundle takes"));
  const auto forced = session.predict({mr}, {"mr.dcm"}, {false, true});
  EXPECT_THAT(forced[0].flags[0], HasSubstr("this file says MR"));
  infer::Bundle flagging = ct_bundle();
  flagging.accepts.refuse = false;
  EXPECT_FALSE(Session(flagging, zoo(), "cpu").predict({mr}, {"mr.dcm"})[0].flags.empty());
}

TEST_F(SessionTest, PoolsFramesByTheirMeanOrMaximum) {
  const io::Image stack = grey_image(40, 36, "stack", 7);
  std::vector<float> single;
  for (std::int64_t frame = 0; frame < 7; ++frame) {
    infer::Bundle bundle = free_bundle();
    bundle.transform_toml =
        "size = [32, 32]\nwindow = \"full\"\nframes = " + std::to_string(frame) + "\n";
    single.push_back(Session(bundle, zoo(), "cpu").predict({stack}, {"x"})[0].logits[0]);
  }
  const auto mean = Session(free_bundle(), zoo(), "cpu").predict({stack}, {"x"})[0];
  EXPECT_THAT(mean.frames, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  double sum = 0;
  for (const float logit : single) sum += logit;
  EXPECT_NEAR(mean.logits[0], sum / 7, 1e-5 * std::max(1.0, std::abs(sum)));
  const auto largest = Session(free_bundle("max"), zoo(), "cpu").predict({stack}, {"x"})[0];
  EXPECT_EQ(largest.logits[0], *std::max_element(single.begin(), single.end()));
}

TEST_F(SessionTest, MulticlassDecidesForTheMostProbableClass) {
  infer::Bundle bundle = free_bundle();
  bundle.task = {TaskKind::kMulticlass, {"a", "b", "c"}};
  bundle.calibration[0].temperature = 2;
  bundle.operating_points = {};
  bundle.model.outputs = 3;
  const auto model = make_model(bundle.model);
  fill_by_formula(*model);
  bundle.weights = infer::state_dict(*model);
  const Session session(bundle, zoo(), "cpu");
  const at::Tensor p = session.probabilities(torch::tensor({{2.0f, 0.0f, 4.0f}}));
  EXPECT_NEAR(p[0][2].item<double>(), std::exp(2.0) / (std::exp(1.0) + 1 + std::exp(2.0)), 1e-12);
  EXPECT_THAT(session.decisions({0.2, 0.5, 0.3}), ElementsAre(0, 1, 0));
  const auto prediction = session.predict({grey_image(40, 36, "x")}, {"x"})[0];
  EXPECT_NEAR(
      prediction.probabilities[0] + prediction.probabilities[1] + prediction.probabilities[2], 1,
      1e-12);
}

TEST_F(SessionTest, RegressionGivesTheValueAndNoDecision) {
  infer::Bundle bundle = free_bundle();
  bundle.task = {TaskKind::kRegression, {"age"}};
  bundle.calibration = {};
  bundle.operating_points = {};
  const auto prediction =
      Session(bundle, zoo(), "cpu").predict({grey_image(40, 36, "x")}, {"x"})[0];
  EXPECT_EQ(prediction.probabilities[0], prediction.logits[0]);
  EXPECT_EQ(prediction.decisions[0], -1);
}

TEST_F(SessionTest, EmbedsOnlyWhenAskedTo) {
  const Session session(free_bundle(), zoo(), "cpu");
  EXPECT_TRUE(session.predict({grey_image(9, 9, "x")}, {"x"})[0].embedding.empty());
  EXPECT_EQ(session.predict({grey_image(9, 9, "x")}, {"x"}, {true, false})[0].embedding.size(),
            64u);
}

/// Four frames of float32 in [0, 255].
io::Image float_image() {
  io::Image image = grey_image(4, 5, "float", 4);
  auto bytes = std::make_shared<std::vector<std::byte>>(image.pixels.bytes->size() * sizeof(float));
  auto* values = reinterpret_cast<float*>(bytes->data());
  for (const std::byte value : *image.pixels.bytes) *values++ = static_cast<float>(value);
  image.pixels.type = io::PixelType::kF32;
  image.pixels.bytes = bytes;
  return image;
}

float& pixel(io::Image& image, std::size_t i) {
  return reinterpret_cast<float*>(image.pixels.bytes->data())[i];
}

TEST_F(SessionTest, RefusesPixelsThatAreNoNumbersUnlessForced) {
  infer::Bundle bundle = free_bundle();
  bundle.transform_toml = "size = [32, 32]\nwindow = [100, 200]\nframes = 2\n";
  const Session session(bundle, zoo(), "cpu");
  EXPECT_THAT(session.mismatches(float_image()), ElementsAre());
  io::Image odd = float_image();
  pixel(odd, 41) = pixel(odd, 43) = INFINITY;  // of frame 2
  pixel(odd, 3) = NAN;                         // of a frame that is not scored
  const std::string sentence = "2 of 20 pixels are not numbers (NaN or infinite).";
  EXPECT_THAT(message_of([&] { session.predict({odd}, {"odd"}); }), sentence);
  EXPECT_THAT(message_of([&] { session.predict({float_image(), odd}, {"good", "odd"}); }),
              "odd: " + sentence);
  const auto forced = session.predict({odd, float_image()}, {"odd", "good"}, {false, true});
  EXPECT_THAT(forced[0].flags, ElementsAre(sentence));
  EXPECT_THAT(forced[1].flags, ElementsAre());
  EXPECT_EQ(forced[1].logits, session.predict({float_image()}, {"good"})[0].logits);
}

TEST_F(SessionTest, RefusesFramesThatAreAllPadding) {
  const Session session(free_bundle(), zoo(), "cpu");
  io::Image image = grey_image(4, 5, "x", 3);
  image.padding = io::PaddingRange{0, 254.5};
  std::fill(image.pixels.bytes->begin(), image.pixels.bytes->end(), std::byte{255});
  EXPECT_THAT(session.mismatches(image), ElementsAre());
  std::fill_n(image.pixels.bytes->begin() + 20, 19, std::byte{7});
  EXPECT_THAT(session.mismatches(image), ElementsAre());
  (*image.pixels.bytes)[39] = std::byte{0};
  EXPECT_THAT(message_of([&] { session.predict({image}, {"x"}); }),
              "1 of the 3 frames to score are all padding.");
  image.frame_padding = {std::nullopt, std::nullopt, std::nullopt};
  EXPECT_THAT(session.mismatches(image), ElementsAre());
  io::Image blank = grey_image(4, 5, "x");
  blank.padding = io::PaddingRange{0, 255};
  EXPECT_THAT(message_of([&] { session.predict({blank}, {"x"}); }),
              "All pixels are padding; there is no picture to score.");
  EXPECT_EQ(session.predict({blank}, {"x"}, {false, true})[0].flags.size(), 1u);
}

TEST_F(SessionTest, SaysWhatWasOddInAFile) {
  io::Image odd = grey_image(9, 9, "x");
  odd.warnings = {"The file is odd."};
  const auto predictions =
      Session(free_bundle(), zoo(), "cpu").predict({grey_image(9, 9, "x"), odd}, {"a", "b"});
  EXPECT_THAT(predictions[0].warnings, ElementsAre());
  EXPECT_THAT(predictions[1].warnings, ElementsAre("The file is odd."));
}

TEST_F(SessionTest, NoImagesGiveNoPredictions) {
  EXPECT_TRUE(Session(free_bundle(), zoo(), "cpu").predict(std::vector<io::Image>{}, {}).empty());
}

TEST_F(SessionTest, RefusesAnUnknownDeviceModelAndWeights) {
  const auto error = [](infer::Bundle bundle, const std::string& device) {
    return message_of([&] { Session(bundle, zoo(), device); });
  };
  EXPECT_THAT(error(ct_bundle(), "gpu"), HasSubstr("There is no device 'gpu'"));
  infer::Bundle bundle = ct_bundle();
  bundle.model.name = "resnet19";
  EXPECT_THAT(error(bundle, "cpu"), HasSubstr("There is no model 'resnet19'"));
  bundle = ct_bundle();
  bundle.weights.erase("fc.bias");
  EXPECT_THAT(error(bundle, "cpu"), HasSubstr("fc.bias: missing"));
}

TEST(ModelPredictorTest, RunsALiveModelUnderAutocastAndLeavesItTrainable) {
  const auto model = make_model(spec_of("resnet18", 1, 32, 32, 2, {{"width", 8}, {"small", 1}}));
  fill_by_formula(*model);
  const infer::ModelPredictor half(model, 4, "bfloat16", "cpu");
  const infer::ModelPredictor whole(model, 4, "float32", "cpu");
  const Batch batch = batch_of(formula_image({6, 1, 32, 32}));
  at::Tensor logits = whole.predict(batch);
  EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{6, 2}));
  EXPECT_LT(relative_error(half.predict(batch), logits), 0.1);
  EXPECT_FALSE(torch::equal(half.predict(batch), logits));
  EXPECT_EQ(whole.embed(batch).size(1), 64);
  logits.add_(1);  // results may be written to
  model->train();
  EXPECT_THROW(whole.predict(batch), c10::Error);
  model->forward(batch).sum().backward();
  EXPECT_TRUE(model->parameters()[0].grad().defined());
}

}  // namespace
}  // namespace salus::test
