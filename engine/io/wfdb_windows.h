#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/wfdb.h"

namespace salus::io {

/// A label that annotations make.
///
/// Its marks are symbols ("V"), or rhythms as the texts of "+" annotations name them ("(AFIB"): a
/// rhythm holds from its annotation to the next one of a rhythm.
struct WfdbLabel {
  std::string name;
  std::vector<std::string> marks;
};

/// How a record is cut into windows: one after another if `length` is above 0, else one around each
/// annotation whose symbol is one of `at`. Times in seconds, to the nearest sample.
struct WfdbWindows {
  double length = 0;
  double every = 0;              ///< from the start of one to that of the next
  double before = 0, after = 0;  ///< around an annotation; together above 0
  std::vector<std::string> at;
  std::string annotator = "atr";  ///< suffix of the file of annotations
  std::vector<WfdbLabel> labels;
};

/// The symbols of beats, as WFDB's isqrs() has them.
const std::vector<std::string>& wfdb_beats();

/// Samples [begin, end) of a record; around an annotation they may begin before it or end after it.
struct WfdbWindow {
  std::int64_t begin = 0, end = 0;
  std::string name;  ///< the sample where it begins or its annotation stands ("77", "77.2")
  std::vector<float> labels;  ///< of WfdbWindows::labels, 0 or 1; NaN without annotations
};

/// The windows of a record.
///
/// Windows of a length follow each other from sample 0 until one reaches the end of the record,
/// which may be shorter; a label is 1 if one of its marks stands, or one of its rhythms holds, anywhere
/// in it. Of a window around an annotation it is 1 if that annotation has the mark or lies in the
/// rhythm. Annotations outside of the record are left out.
///
/// \param annotations  null: there are none to read.
/// \throws salus::Error if windows are to be around annotations and there are none to read.
std::vector<WfdbWindow> cut_windows(const WfdbRecord& record,
                                    const std::vector<WfdbAnnotation>* annotations,
                                    const WfdbWindows& windows);

}  // namespace salus::io
