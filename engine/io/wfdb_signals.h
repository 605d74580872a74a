#pragma once

// Internal to wfdb*.cpp: the signal files of one header.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/wfdb_header.h"

namespace salus::io {

/// Holds what a header claims against its signal files; sets the record's length if it states none.
/// Nothing is allocated.
/// \throws salus::Error as read_wfdb().
void check_wfdb_files(WfdbHeader& header);

/// Reads the signal files of a header that was checked, a piece at a time.
/// \param targets  for each signal where its record.length samples go, which are WfdbSignal::kInvalid
///                 so far; null for a signal that is not wanted.
/// \throws salus::Error as read_wfdb().
void read_wfdb_files(const WfdbHeader& header, const std::vector<std::int32_t*>& targets);

/// Counts the samples that a record has without a file of its own that holds them.
class WfdbGaps {
 public:
  WfdbGaps(const WfdbHeader& header, std::int64_t most) : header_(header), most_(most) {}
  /// \param samples  at most kMostWfdbSamples of each of the most signals there can be.
  /// \throws salus::Error beyond the most that are allowed.
  void add(std::int64_t samples);

 private:
  const WfdbHeader& header_;
  std::int64_t most_, samples_ = 0;
};

}  // namespace salus::io
