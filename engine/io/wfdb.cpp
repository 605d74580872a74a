#include "engine/io/wfdb.h"

#include <algorithm>

#include "engine/io/wfdb_header.h"
#include "engine/io/wfdb_segments.h"
#include "engine/io/wfdb_signals.h"

namespace salus::io {
namespace {

WfdbRecord read_one_segment(WfdbHeader header, std::int64_t most_gaps) {
  check_wfdb_files(header);
  WfdbGaps gaps(header, most_gaps);
  for (const WfdbSignalLine& line : header.lines) {
    if (!line.stored()) gaps.add(header.record.length);
  }
  std::vector<std::int32_t*> targets;
  for (WfdbSignalLine& line : header.lines) {
    line.signal.samples.assign(static_cast<std::size_t>(header.record.length),
                               WfdbSignal::kInvalid);
    targets.push_back(line.signal.samples.data());
  }
  read_wfdb_files(header, targets);
  for (WfdbSignalLine& line : header.lines) {
    header.record.signals.push_back(std::move(line.signal));
  }
  return std::move(header.record);
}

}  // namespace

WfdbScale WfdbSignal::scale_at(std::int64_t i) const {
  const auto after = std::upper_bound(
      rescaled.begin(), rescaled.end(), i,
      [](std::int64_t sample, const WfdbScale& scale) { return sample < scale.begin; });
  return after == rescaled.begin() ? WfdbScale{0, gain, baseline} : *std::prev(after);
}

WfdbRecord read_wfdb(const std::string& path, std::int64_t most_gaps) {
  WfdbHeader header = read_wfdb_header(path);
  return header.several ? join_wfdb_segments(std::move(header), most_gaps)
                        : read_one_segment(std::move(header), most_gaps);
}

std::vector<std::string> wfdb_segments(const std::string& path) {
  std::vector<std::string> names;
  for (WfdbSegmentLine& segment : read_wfdb_header(path).segments) {
    if (!segment.gap()) names.push_back(std::move(segment.name));
  }
  return names;
}

}  // namespace salus::io
