#include "engine/infer/predict_cases.h"

#include <gmock/gmock.h>

#include <limits>
#include <span>

#include "engine/data/image_dataset.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "tests/engine/infer/bundle_support.h"

namespace salus::test {
namespace {

using infer::predict_cases;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kCases = 7;

/// Seven images in files, scored two at a time.
class PredictCasesTest : public ::testing::Test {
 protected:
  PredictCasesTest() : session(bundle(), zoo(), "cpu") {
    for (int i = 0; i < kCases; ++i) {
      const io::Image image = grey_image(20, 18, "case" + std::to_string(i));
      io::write_npy(file(i), "|u1", {20, 18}, *image.pixels.bytes);
    }
  }

  static infer::Bundle bundle() {
    infer::Bundle bundle = ct_bundle("float32", /*micro_batch=*/2);
    bundle.accepts = {};
    bundle.transform_toml = "size = [32, 32]\nwindow = \"full\"\n";
    return bundle;
  }

  std::string file(int i) const { return folder / (std::to_string(i) + ".npy"); }

  data::ImageDataset dataset(const std::vector<int>& chosen) const {
    std::vector<data::ImageCase> cases;
    for (const int i : chosen) {
      data::ImageCase& item = cases.emplace_back();
      item.info.id = std::to_string(i);
      item.info.target = {static_cast<float>(i % 2)};
      item.path = file(i);
    }
    auto transform = std::make_shared<data::Transform>(session.bundle().transform());
    return data::ImageDataset(std::move(cases), std::move(transform), session.bundle().task, 2);
  }

  TemporaryFolder folder;
  infer::Session session;
};

TEST_F(PredictCasesTest, LeavesOutAndTellsOfWhatCannotBeRead) {
  std::filesystem::remove(file(1));
  io::write_text(file(2), "not an array");  // with the next one a whole group
  std::filesystem::remove(file(3));
  std::vector<std::string> reasons;
  const auto scored = predict_cases(session, dataset({0, 1, 2, 3, 4, 5, 6}), 2,
                                    [&](const std::string& why) { reasons.push_back(why); });
  EXPECT_THAT(reasons, ElementsAre(HasSubstr(file(1)), HasSubstr(file(2)), HasSubstr(file(3))));
  EXPECT_THAT(scored.unreadable, ElementsAre(1, 2, 3));
  EXPECT_THAT(scored.predictions.ids, ElementsAre("0", "4", "5", "6"));
  EXPECT_EQ(scored.predictions.targets, (evaluate::Matrix{{0}, {0}, {1}, {0}}));
  const auto others = predict_cases(session, dataset({0, 4, 5, 6}), 2);
  EXPECT_EQ(scored.logits, others.logits);
  EXPECT_TRUE(others.unreadable.empty());
}

TEST_F(PredictCasesTest, OfNothingReadableThereAreNoRows) {
  for (int i = 0; i < kCases; ++i) std::filesystem::remove(file(i));
  int told = 0;
  const auto scored =
      predict_cases(session, dataset({0, 1, 2}), 1, [&](const std::string&) { ++told; });
  EXPECT_EQ(told, 3);
  EXPECT_TRUE(scored.logits.empty());
  EXPECT_TRUE(scored.predictions.probabilities.empty());
}

TEST_F(PredictCasesTest, WithoutAListenerWhatCannotBeReadIsAnError) {
  std::filesystem::remove(file(5));
  EXPECT_THAT(message_of([&] { predict_cases(session, dataset({4, 5, 6}), 2); }),
              HasSubstr(file(5)));
}

/// A picture of infinite values, which a window makes plain numbers of.
TEST_F(PredictCasesTest, WhatShowsNothingIsLeftOutAndForeseen) {
  const std::vector<float> values(20 * 18, std::numeric_limits<float>::infinity());
  io::write_npy(file(1), "<f4", {20, 18}, std::as_bytes(std::span(values)));
  std::vector<std::string> reasons;
  const auto scored = predict_cases(session, dataset({0, 1, 2}), 2,
                                    [&](const std::string& why) { reasons.push_back(why); });
  EXPECT_THAT(reasons, ElementsAre(AllOf(HasSubstr("1: "), HasSubstr("not numbers"))));
  EXPECT_THAT(scored.predictions.ids, ElementsAre("0", "2"));
  EXPECT_THAT(message_of([&] { infer::refuse_unaccepted({}, dataset({0, 1, 2}), 2); }),
              AllOf(HasSubstr("1 of 3 images"), HasSubstr("1: "), HasSubstr("not numbers")));
  infer::Acceptance flags;
  flags.refuse = false;
  infer::refuse_unaccepted(flags, dataset({0, 1, 2}), 2);
}

}  // namespace
}  // namespace salus::test
