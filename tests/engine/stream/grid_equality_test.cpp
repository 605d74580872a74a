// What the network is given equals kernels/vitals_grid, to the bit, at every prefix of a stay.
#include <algorithm>
#include <numeric>

#include "engine/data/stay_source.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

/// A stream into a recorder, beside the spec of its grid.
struct Recorded {
  explicit Recorded(const std::string& transform, const StreamOptions& options = {})
      : config(Config::parse(transform, "transform")),
        stays(config),
        network(
            std::make_shared<RecordingNetwork>(std::ssize(stays.grid().variables), stays.steps())),
        stream(
            std::make_shared<StreamModel>(small_bundle({"death"}, transform), network, options)) {}

  Config config;
  data::StayTransform stays;
  std::shared_ptr<RecordingNetwork> network;
  VitalsStream stream;
};

void expect_equal_at_every_prefix(Recorded& recorded, std::span<const StreamEvent> events,
                                  unsigned seed) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    recorded.stream.push(events[i]);
    const auto expected = grid_of(events.first(i + 1), recorded.stays.grid());
    ASSERT_TRUE(same_bits(recorded.network->seen(), expected)) << "seed " << seed << " event " << i;
  }
}

TEST(GridEquality, HoldsAtEveryPrefixOfRandomStays) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Recorded recorded(kSmallTransform);
    const RandomStay stay(seed);
    expect_equal_at_every_prefix(recorded, stay.events, seed);
    EXPECT_GT(recorded.stream.counts().used, 10U);
    EXPECT_GT(recorded.stream.counts().outside_range, 0U);
  }
}

TEST(GridEquality, HoldsForRowsOutOfOrderInsideOfTheOpenBin) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    Recorded recorded(kSmallTransform);
    RandomStay stay(seed);
    std::mt19937 random(seed);
    const auto bin = [](const StreamEvent& e) { return std::floor((e.time + 1.0 / 7200) / 0.5); };
    std::shuffle(stay.events.begin(), stay.events.end(), random);
    std::stable_sort(stay.events.begin(), stay.events.end(),
                     [&](const auto& a, const auto& b) { return bin(a) < bin(b); });
    expect_equal_at_every_prefix(recorded, stay.events, seed);
    EXPECT_EQ(recorded.stream.counts().late, 0U);
  }
}

TEST(GridEquality, HoldsForEventsAsLateAsTheHistoryIsLong) {
  constexpr std::int32_t kHistory = 3;
  for (unsigned seed = 0; seed < 40; ++seed) {
    Recorded recorded(kSmallTransform, {.history = kHistory});
    RandomStay stay(seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> delay(0, 0.5 * kHistory);
    std::vector<std::pair<double, StreamEvent>> arriving;
    for (const StreamEvent& event : stay.events)
      arriving.emplace_back(event.time + delay(random), event);
    std::stable_sort(arriving.begin(), arriving.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<StreamEvent> events;
    for (const auto& [time, event] : arriving) {
      events.push_back(event);
      recorded.stream.push(event);
      ASSERT_TRUE(same_bits(recorded.network->seen(), grid_of(events, recorded.stays.grid())))
          << "seed " << seed << " event " << events.size();
    }
    EXPECT_GT(recorded.stream.counts().replayed, 5U);
    EXPECT_EQ(recorded.stream.counts().late, 0U);
  }
}

TEST(GridEquality, LeavesOutWhatIsLaterThanTheHistory) {
  Recorded recorded(kSmallTransform, {.history = 1});
  std::vector<StreamEvent> events = {{0.1, "HR", 70}, {0.6, "HR", 80}, {1.1, "HR", 90}};
  for (const auto& event : events) recorded.stream.push(event);
  recorded.stream.push({0.2, "HR", 200});  // two bins late
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(events, recorded.stays.grid())));
  EXPECT_EQ(recorded.stream.counts().late, 1U);
  events.push_back({0.7, "HR", 100});  // one bin late
  recorded.stream.push(events.back());
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(events, recorded.stays.grid())));
  EXPECT_EQ(recorded.stream.counts().replayed, 1U);
}

/// The batch reader's policies on repeated rows, and the stream's, by what comes out of them.
class Corrections : public ::testing::TestWithParam<int> {};

TEST_P(Corrections, OfTheLatestEventReplaceItWithDrop) {
  const auto variable = kSmallNames[static_cast<std::size_t>(GetParam())];
  Recorded recorded(kSmallTransform, {.history = 2, .duplicates = io::RowPolicy::kDrop});
  for (const StreamEvent& event :
       {StreamEvent{0.1, variable, 60}, StreamEvent{0.3, variable, 80},
        StreamEvent{0.2, variable, 55}, StreamEvent{0.3, variable, 70}}) {
    recorded.stream.push(event);
  }
  const std::vector<StreamEvent> kept = {
      {0.1, variable, 60}, {0.2, variable, 55}, {0.3, variable, 70}};
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(kept, recorded.stays.grid())));
  EXPECT_EQ(recorded.stream.counts().repeated, 1U);
  recorded.stream.push({1.2, "Mood", 1});
  recorded.stream.push({0.3, variable, -1e6F});  // late, and the correction is not plausible
  std::vector<StreamEvent> then = {{0.1, variable, 60}, {0.2, variable, 55}};
  const bool plausible = variable == "Temp" || variable == "Visits";  // they have no range
  if (plausible) then.push_back({0.3, variable, -1e6F});
  then.push_back({1.2, "Mood", 1});
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(then, recorded.stays.grid())));
  EXPECT_EQ(recorded.stream.counts().repeated, 2U);
}

INSTANTIATE_TEST_SUITE_P(EveryAggregate, Corrections, ::testing::Range(0, 6));

TEST(GridEquality, ARefusedCorrectionChangesNothing) {
  Recorded recorded(kSmallTransform, {.duplicates = io::RowPolicy::kRefuse});
  const std::vector<StreamEvent> events = {{0.1, "HR", 60}, {0.2, "Temp", 38}};
  for (const auto& event : events) recorded.stream.push(event);
  recorded.stream.push({0.1, "HR", 90});
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(events, recorded.stays.grid())));
  EXPECT_EQ(recorded.stream.counts().repeated, 1U);
  EXPECT_EQ(recorded.stream.counts().used, 2U);
}

TEST(GridEquality, AnAcceptedCorrectionCountsBeside) {
  Recorded recorded(kSmallTransform);
  const std::vector<StreamEvent> events = {{0.1, "Temp", 36}, {0.1, "Temp", 38}};
  for (const auto& event : events) recorded.stream.push(event);
  EXPECT_TRUE(same_bits(recorded.network->seen(), grid_of(events, recorded.stays.grid())));
}

/// Streams every stay of `data` and compares what the network was given with StayTransform::inputs of
/// the stay cut after each event.
void expect_equal_on_real_stays(const std::string& data, const std::string& transform) {
  const Task task{TaskKind::kBinary, {"any"}};
  data::StayTransform how(Config::parse(transform, "transform"));
  auto table = data::read_stays(Config::parse(data, "data"), how, 1);
  const auto names = table.variables;
  io::VitalsTable raw = table;
  how.variables().map(table);
  std::vector<std::int64_t> all(table.ids.size());
  std::iota(all.begin(), all.end(), 0);
  how.fit(table, all);
  std::size_t prefixes = 0;
  for (const std::int64_t stay : all) {
    Recorded recorded(how.toml());
    io::VitalsTable cut;
    cut.ids = {"one"};
    cut.statics.resize(how.variables().static_columns().size());
    for (auto e = table.offsets[stay]; e < table.offsets[stay + 1]; ++e) {
      cut.time.push_back(table.time[e]);
      cut.variable.push_back(table.variable[e]);
      cut.value.push_back(table.value[e]);
      cut.offsets = {0, std::ssize(cut.time)};
      const auto& name = names[static_cast<std::size_t>(raw.variable[e])];
      recorded.stream.push({raw.time[e], name.name, raw.value[e], name.unit});
      const Batch batch = how.inputs(cut, {0});
      const auto bins = *batch.inputs.at("length").const_data_ptr<std::int64_t>();
      const auto width = std::ssize(how.variables().variables());
      std::vector<float> expected;
      for (std::int64_t t = 0; t < bins; ++t) {
        for (const char* part : {"values", "mask", "delta"}) {
          const float* row = batch.inputs.at(part).const_data_ptr<float>() + t * width;
          expected.insert(expected.end(), row, row + width);
        }
      }
      ASSERT_TRUE(same_bits(recorded.network->seen(), expected))
          << table.ids[static_cast<std::size_t>(stay)] << " event " << e - table.offsets[stay];
      ++prefixes;
    }
  }
  EXPECT_GT(prefixes, 1000U);
}

TEST(GridEquality, HoldsAtEveryPrefixOfPhysioNet2012Stays) {
  const std::string folder = test::data_path("vitals/physionet2012");
  expect_equal_on_real_stays("root = '" + folder + "'\nstays = ['set-a']", R"(
modality = "vitals"
source = "physionet2012"
[variables]
[[variables.variable]]
name = "HR"
range = [10, 300]
aggregate = "mean"
[[variables.variable]]
name = "Temp"
unit = "degF"
source_unit = "degC"
range = [70, 110]
max_gap = 6
[[variables.variable]]
name = "Urine"
aggregate = "sum"
transform = "log1p"
[[variables.variable]]
name = "GCS"
aggregate = "min"
[[variables.variable]]
name = "Glucose"
unit = "mmol/L"
source_unit = "mg/dL"
molar_mass = 180.156
transform = "log"
aggregate = "max"
[[variables.static]]
name = "Age"
)");
}

TEST(GridEquality, HoldsAtEveryPrefixOfPhysioNet2019Stays) {
  const std::string folder = test::data_path("vitals");
  expect_equal_on_real_stays("root = '" + folder + "'\nstays = ['physionet2019']", R"(
modality = "vitals"
source = "physionet2019"
steps = 30
[variables]
[[variables.variable]]
name = "HR"
[[variables.variable]]
name = "MAP"
range = [20, 200]
max_gap = 3
[[variables.variable]]
name = "Temp"
[[variables.variable]]
name = "Lactate"
transform = "log"
[[variables.static]]
name = "Age"
)");
}

}  // namespace
}  // namespace salus::stream
