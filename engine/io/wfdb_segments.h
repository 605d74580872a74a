#pragma once

// Internal to wfdb*.cpp.

#include <cstdint>

#include "engine/io/wfdb_header.h"

namespace salus::io {

/// Reads and joins the segments of a record of several, as read_wfdb() says.
/// \throws salus::Error as read_wfdb().
WfdbRecord join_wfdb_segments(WfdbHeader master, std::int64_t most_gaps);

}  // namespace salus::io
