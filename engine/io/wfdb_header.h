#pragma once

// Internal to wfdb*.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/wfdb.h"

namespace salus::io {

inline constexpr std::int64_t kMostWfdbSamples = std::int64_t{1} << 40;  ///< of a signal

/// A signal's line of the header: what is no property of the samples stands beside them.
struct WfdbSignalLine {
  WfdbSignal signal;
  std::int64_t per_frame = 1;  ///< samples
  std::int64_t skew = 0;       ///< frames that precede sample 0
  std::int64_t byte_offset = 0;
  std::optional<std::int32_t> first_sample;
  std::optional<std::int32_t> checksum;
  std::int64_t line = 0;

  bool stored() const { return signal.format != 0; }
};

/// A segment's line of the header.
struct WfdbSegmentLine {
  std::string name;
  std::int64_t length = 0;  ///< samples per signal
  std::int64_t line = 0;

  bool gap() const { return name == "~"; }
};

/// A header has lines of signals, or those of segments.
struct WfdbHeader {
  std::string origin;  ///< the file's path
  WfdbRecord record;   ///< without signals; its length is what the header states, 0 if nothing
  int signals = 0;
  bool several = false;  ///< segments
  std::vector<WfdbSignalLine> lines;
  std::vector<WfdbSegmentLine> segments;

  /// Throws Error "ORIGIN line LINE WHAT."
  [[noreturn]] void fail(std::int64_t line, const std::string& what) const;
  /// As its files are named: "" or ends with '/'.
  std::string folder() const;
};

/// \throws salus::Error naming `origin` and line.
WfdbHeader parse_wfdb_header(const std::string& text, const std::string& origin);

/// \param path  with or without ".hea".
WfdbHeader read_wfdb_header(const std::string& path);

}  // namespace salus::io
