// What repeated rows become under two names of one variable: in a stay that is read whole as streamed.
#include <fmt/format.h>

#include "engine/data/stay_source.h"
#include "engine/io/files.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

/// Values, mask and delta of each bin, as RecordingNetwork::seen() has them.
std::vector<float> seen_of(const Batch& batch) {
  const auto bins = *batch.inputs.at("length").const_data_ptr<std::int64_t>();
  std::vector<float> seen;
  for (std::int64_t t = 0; t < bins; ++t) {
    for (const char* part : {"values", "mask", "delta"}) {
      const at::Tensor row = batch.inputs.at(part)[0][t].contiguous();
      const float* first = row.const_data_ptr<float>();
      seen.insert(seen.end(), first, first + row.numel());
    }
  }
  return seen;
}

TEST(DuplicateEquality, HoldsForTwoNamesOfOneVariable) {
  const std::vector<StreamEvent> events = {
      {0.1, "HR", 60},         {0.1, "Heart Rate", 70},    {0.2, "Temp", 36, "degC"},
      {0.2, "Mood", 1},        {0.2, "temp", 100, "degF"}, {0.2, "Mood", 2},
      {0.7, "Heart rate", 90}, {0.7, "HR", 500},           {0.8, "Urine", 20}};
  const std::string transform = kSmallTransform;
  std::string csv = "stay_id,time,variable,value,unit\n";
  for (const StreamEvent& event : events) {
    csv += fmt::format("a,{},{},{},{}\n", event.time, event.variable, event.value, event.unit);
  }
  const test::TemporaryFolder folder;
  io::write_text(folder.path("events.csv"), csv);
  for (const auto policy : {io::RowPolicy::kAccept, io::RowPolicy::kDrop}) {
    auto network = std::make_shared<RecordingNetwork>(6, 8);
    VitalsStream stream(std::make_shared<StreamModel>(small_bundle({"death"}, transform), network,
                                                      StreamOptions{.duplicates = policy}));
    for (const StreamEvent& event : events) stream.push(event);
    const std::string rule = policy == io::RowPolicy::kDrop ? "drop" : "accept";
    const data::StaySource whole(
        Config::parse(
            "root = '" + folder.path() + "'\nevents = 'events.csv'\nduplicates = '" + rule + "'\n",
            "data"),
        Config::parse(transform, "transform"), {TaskKind::kBinary, {"death"}}, 1);
    EXPECT_TRUE(same_bits(network->seen(), seen_of(whole.open({0})->load({0})))) << rule;
    EXPECT_EQ(whole.table().counts.duplicates, 3);
  }
}

}  // namespace
}  // namespace salus::stream
