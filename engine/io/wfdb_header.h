#pragma once

// Internal to wfdb*.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/wfdb.h"

namespace salus::io {

/// A signal's line of the header: what is no property of the samples stands beside them.
struct WfdbSignalLine {
  WfdbSignal signal;
  std::int64_t byte_offset = 0;
  std::optional<std::int32_t> first_sample;
  std::optional<std::int32_t> checksum;
  std::int64_t line = 0;
};

struct WfdbHeader {
  WfdbRecord record;  ///< without signals
  bool has_length = false;
  std::vector<WfdbSignalLine> lines;
};

/// \throws salus::Error naming `origin` and line.
WfdbHeader parse_wfdb_header(const std::string& text, const std::string& origin);

}  // namespace salus::io
