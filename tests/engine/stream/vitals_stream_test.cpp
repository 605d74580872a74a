#include "engine/stream/vitals_stream.h"

#include <cmath>
#include <limits>

#include "engine/stream/snapshot.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(VitalsStream, SaysOfAStayWithoutEventsWhatItsStaticsSay) {
  VitalsStream stream(small_model());
  EXPECT_EQ(stream.risk().bin, -1);
  EXPECT_EQ(stream.risk().time, -kInfinity);
  EXPECT_FALSE(stream.risk().alarm());
  // No age: 0 and its flag 1; SumNetwork's weight of that is 0.4, then Platt's 0.9 and -0.2.
  EXPECT_NEAR(stream.risk().probabilities[0], 1 / (1 + std::exp(-(0.9 * 0.4 - 0.2))), 1e-7);
  EXPECT_THAT(stream.risk().decisions, ElementsAre(1, -1))
      << "only the first label has a threshold";
}

TEST(VitalsStream, TakesStaticsAndRefusesAnotherNumberOfThem) {
  const auto model = small_model();
  io::VitalsTable table;
  table.ids = {"a"};
  table.static_names = {"age"};
  table.statics = {75};
  const at::Tensor statics = model->statics(table);
  ASSERT_EQ(statics.size(1), 2);
  VitalsStream stream(model, {statics.const_data_ptr<float>(), 2});
  EXPECT_NEAR(stream.risk().probabilities[0], 1 / (1 + std::exp(-(0.9 * 0.3 - 0.2))), 1e-7);
  const std::vector<float> three(3);
  SALUS_EXPECT_ERROR(VitalsStream(model, three), HasSubstr("3 static values were given"));
}

TEST(VitalsStream, EventsBeforeTheStayAreLeftOutAndCounted) {
  VitalsStream stream(small_model()), untouched(small_model());
  stream.push({-0.5, "HR", 100});
  EXPECT_EQ(stream.risk().probabilities, untouched.risk().probabilities);
  EXPECT_EQ(stream.risk().bin, -1);
  EXPECT_EQ(stream.counts().outside_grid, 1U);
}

TEST(VitalsStream, EventsAfterTheLastBinEndTheStay) {
  VitalsStream stream(small_model()), advanced(small_model());
  stream.push({0.1, "HR", 90});
  advanced.push({0.1, "HR", 90});
  stream.push({400, "HR", 200});
  advanced.push({3.9, "Mood", 1});
  EXPECT_EQ(stream.risk().bin, 7);
  EXPECT_EQ(stream.risk().probabilities, advanced.risk().probabilities);
  EXPECT_EQ(stream.counts().outside_grid, 1U);
  stream.push({3.8, "HR", 100});
  EXPECT_EQ(stream.counts().used, 2U) << "the last bin stays open";
}

TEST(VitalsStream, FutureRowsAreLeftOutIfThereIsALatestTime) {
  VitalsStream stream(small_model({.latest = 3}));
  stream.push({0.1, "HR", 90});
  stream.push({400, "HR", 200});
  EXPECT_EQ(stream.risk().bin, 0);
  EXPECT_EQ(stream.counts().future, 1U);
}

TEST(VitalsStream, WhatIsNoNumberChangesNothing) {
  VitalsStream stream(small_model());
  stream.push({0.1, "HR", 90});
  const auto before = stream.risk().probabilities;
  stream.push({2, "HR", kNaN});
  stream.push({2, "Mood", kNaN});
  stream.push({2, "HR", std::numeric_limits<float>::infinity()});
  stream.push({kInfinity, "HR", 80});
  stream.push({std::nan(""), "HR", 80});
  EXPECT_EQ(stream.risk().probabilities, before);
  EXPECT_EQ(stream.risk().bin, 0);
  EXPECT_EQ(stream.counts().missing, 3U);
  EXPECT_EQ(stream.counts().timeless, 2U);
}

TEST(VitalsStream, UnknownNamesAndUnitsAreToldOnceAndCounted) {
  VitalsStream stream(small_model());
  for (int i = 0; i < 3; ++i) {
    stream.push({0.1, "Mood", 1});
    stream.push({0.1, "Temp", 37, "furlong"});
  }
  const auto notes = stream.take_notes();
  ASSERT_THAT(notes, SizeIs(2));
  EXPECT_THAT(notes[0], HasSubstr("no variable \"Mood\""));
  EXPECT_THAT(notes[1], HasSubstr("furlong"));
  EXPECT_THAT(stream.take_notes(), SizeIs(0));
  EXPECT_EQ(stream.counts().unknown_variable, 3U);
  EXPECT_EQ(stream.counts().unknown_unit, 3U);
  EXPECT_EQ(stream.counts().used, 0U);
  for (std::size_t i = 0; i < EventNames::kMost + 10; ++i) {
    stream.push({0.1, "Mood" + std::to_string(i), 1});
  }
  EXPECT_LE(stream.take_notes().size(), EventNames::kMost) << "remembered without bound";
}

TEST(VitalsStream, UnitsAreConvertedAndNamesHaveAliases) {
  VitalsStream a(small_model()), b(small_model());
  a.push({0.1, "Temp", 38});
  b.push({0.1, "TEMP", 100.4F, "degF"});
  EXPECT_NEAR(a.risk().probabilities[0], b.risk().probabilities[0], 1e-6);
  a.push({0.2, "HR", 80});
  b.push({0.2, "heart rate", 80});
  EXPECT_EQ(b.counts().used, 2U);
  EXPECT_NEAR(a.risk().probabilities[0], b.risk().probabilities[0], 1e-6);
}

TEST(VitalsStream, AnAlarmKeepsQuietForTheRefractoryTime) {
  infer::Bundle bundle = small_bundle();
  bundle.operating_points = {{"any", "death", 0.0}};  // every score is above it
  const auto model = std::make_shared<StreamModel>(bundle, std::make_shared<SumNetwork>(6, 2),
                                                   StreamOptions{.refractory = 1});
  VitalsStream stream(model);
  std::vector<double> alarms;
  for (const double time : {0.0, 0.5, 0.9, 1.0, 1.1, 2.5, 2.6}) {
    if (stream.push({time, "HR", 80}).alarms[0] == 1) alarms.push_back(time);
    EXPECT_EQ(stream.risk().decisions[0], 1);
    EXPECT_EQ(stream.risk().alarms[1], 0) << "the other label has no operating point";
    EXPECT_FALSE(stream.look(time).alarm()) << "to look raises nothing";
  }
  EXPECT_THAT(alarms, ElementsAre(0.0, 1.0, 2.5));
}

TEST(VitalsStream, TheRefractoryTimeIsTheBundlesUnlessTheOptionsHaveOne) {
  infer::Bundle bundle = small_bundle();
  bundle.operating_points = {{"any", "death", 0.0}};
  bundle.alarms.refractory = 2;
  const auto alarms = [&](const StreamOptions& options) {
    VitalsStream stream(
        std::make_shared<StreamModel>(bundle, std::make_shared<SumNetwork>(6, 2), options));
    int count = 0;
    for (const double time : {0.0, 1.0, 2.0, 3.0}) count += stream.push({time, "HR", 80}).alarms[0];
    return count;
  };
  EXPECT_EQ(alarms({}), 2);
  EXPECT_EQ(alarms({.refractory = 0}), 4);
  EXPECT_EQ(alarms({.refractory = 3}), 2);
  EXPECT_EQ(alarms({.refractory = 4}), 1);
}

TEST(VitalsStream, AStaleStayIsFlaggedAndMovesOnOnlyWhenAdvanced) {
  VitalsStream stream(small_model({.stale_after = 1}));
  stream.push({0.6, "HR", 120});
  const auto before = stream.risk().probabilities;
  EXPECT_FALSE(stream.look(1.5).stale);
  EXPECT_TRUE(stream.look(1.6).stale);
  EXPECT_EQ(stream.risk().probabilities, before);
  EXPECT_EQ(stream.risk().bin, 1);
  VitalsStream batch(small_model());
  batch.push({0.6, "HR", 120});
  batch.push({2.2, "Mood", 1});
  stream.advance(2.2);
  EXPECT_TRUE(stream.risk().stale);
  EXPECT_EQ(stream.risk().bin, 4);
  EXPECT_EQ(stream.risk().probabilities, batch.risk().probabilities);
  EXPECT_FALSE(stream.push({2.3, "HR", 100}).stale);
}

TEST(VitalsStream, ASavedStayGoesOnToTheBit) {
  for (const std::int32_t history : {0, 2}) {
    const auto model = small_model({.history = history, .refractory = 1});
    const RandomStay stay(7);
    VitalsStream whole(model);
    for (std::size_t i = 0; i < stay.events.size(); ++i) {
      whole.push(stay.events[i]);
      VitalsStream restored(model);
      restored.restore(whole.save());
      EXPECT_EQ(restored.risk().probabilities, whole.risk().probabilities);
      EXPECT_EQ(restored.risk().decisions, whole.risk().decisions);
      if (i % 10 != 5) continue;
      VitalsStream other(model);
      other.restore(whole.save());
      for (std::size_t rest = i + 1; rest < stay.events.size(); ++rest)
        other.push(stay.events[rest]);
      VitalsStream all(model);
      for (const auto& event : stay.events) all.push(event);
      EXPECT_EQ(other.risk().probabilities, all.risk().probabilities);
      EXPECT_EQ(other.save(), all.save());
    }
  }
}

TEST(VitalsStream, RefusesTheStateOfAnotherBundleOrOptions) {
  VitalsStream stream(small_model());
  stream.push({0.1, "HR", 90});
  infer::Bundle other = small_bundle();
  other.calibration[0].slope = 0.8;
  VitalsStream of_other(
      std::make_shared<StreamModel>(other, std::make_shared<SumNetwork>(6, 2), StreamOptions{}));
  SALUS_EXPECT_ERROR(of_other.restore(stream.save()), HasSubstr("another bundle"));
  other = small_bundle();
  other.name = "renamed";
  VitalsStream of_same(
      std::make_shared<StreamModel>(other, std::make_shared<SumNetwork>(6, 2), StreamOptions{}));
  of_same.restore(stream.save());
  EXPECT_EQ(of_same.risk().probabilities, stream.risk().probabilities);
  VitalsStream kept(small_model({.history = 1}));
  SALUS_EXPECT_ERROR(kept.restore(stream.save()), HasSubstr("history of 0 bins"));
}

TEST(VitalsStream, RefusesEveryDamagedByteOfASavedStay) {
  VitalsStream stream(small_model());
  stream.push({0.1, "HR", 90});
  const auto saved = stream.save();
  const auto before = stream.risk().probabilities;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    auto damaged = saved;
    damaged[i] ^= std::byte{0x10};
    EXPECT_THROW(stream.restore(damaged), Error) << "byte " << i;
    EXPECT_THROW(stream.restore(std::span(saved).first(i)), Error) << "truncated to " << i;
  }
  EXPECT_EQ(stream.risk().probabilities, before);
  stream.push({0.2, "HR", 95});
  EXPECT_EQ(stream.counts().used, 2U);
}

TEST(StreamModel, RefusesAModelThatCannotBeStreamed) {
  SALUS_EXPECT_ERROR(StreamModel(small_bundle(), nullptr), HasSubstr("looks ahead"));
  infer::Bundle image = small_bundle();
  image.model.modality = Modality::kImage;
  SALUS_EXPECT_ERROR(StreamModel(image, std::make_shared<SumNetwork>(6, 2)),
                     HasSubstr("only vital signs"));
  SALUS_EXPECT_ERROR(small_model({.history = -1}), HasSubstr("history of -1"));
  SALUS_EXPECT_ERROR(small_model({.refractory = -2}), HasSubstr("refractory"));
}

}  // namespace
}  // namespace salus::stream
