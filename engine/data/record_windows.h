#pragma once

#include <string>

#include "engine/core/config.h"
#include "engine/io/wfdb_windows.h"

namespace salus::data {

/// Reads how records of waveforms are cut: the table [transform.windows], which travels with a bundle.
///
///   [transform.windows]
///   length = "10 s"       # one after another; the last may be shorter
///   every = "5 s"         # from the start of one to that of the next; by default `length`
///   before = "0.25 s"     # or instead: one around each annotation ...
///   after = "0.45 s"
///   at = ["N", "V"]       # ... that has one of these symbols; by default every beat
///   annotator = "atr"     # the annotations of 100.hea are in 100.atr
///   [transform.windows.labels]
///   ectopic = ["V", "E"]  # 1 where one of these marks stands: symbols, or rhythms such as "(AFIB"
///
/// \throws UsageError for a bad value, and for keys that need others or exclude them.
io::WfdbWindows read_windows(const Config& table);

/// The same table as TOML, without its heading.
std::string windows_toml(const io::WfdbWindows& windows);

}  // namespace salus::data
