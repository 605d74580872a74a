#pragma once

#include <cstdint>
#include <string>

#include "engine/stream/stream_model.h"

namespace salus::stream {

/// What became of the rows of a source.
struct StreamTally {
  FateCounts fates = {};         ///< StreamPool::fates()
  std::int64_t unreadable = 0;   ///< rows that are no events
  std::int64_t turned_away = 0;  ///< rows of stays for which there was no room
  std::int64_t discharges = 0;   ///< rows that ended their stay
};

/// Rows that were skipped or refused, so that their sender is to be told; those that are left out by
/// other rules are not among them.
std::int64_t skipped_rows(const StreamTally& tally, const StreamModel& model);

/// The rows that were read.
std::int64_t rows_of(const StreamTally& tally);

/// What was met while rows were streamed, in one sentence for the user, as data::stay_remarks() says it
/// of stays that are read whole; it names neither stay nor row:
///
///   "Read 1,200 rows with 5 missing values; 310 rows of unknown variables (dropped), 17 values outside
///   of their plausible range (dropped), 3 late rows (dropped; the history reaches back 0 bins), 12
///   unsorted rows (refused), 2 rows not readable (skipped)."
///
/// \returns "" if nothing is to be said beside rows and missing values.
std::string stream_remarks(const StreamTally& tally, const StreamModel& model);

/// Why the rules refuse a row of this fate, as a sentence goes on after its place.
const char* refusal_reason(Fate fate);

}  // namespace salus::stream
