#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace salus::io {

/// Expands what a caller names as inputs: a file; a folder (all files in it and below, hidden ones
/// and DICOMDIR left out, in name order); a glob pattern; "-" for a list of these, one a line, on
/// `list`.
///
/// \throws salus::Error for a name that is no file and a pattern that matches nothing.
std::vector<std::string> expand_inputs(const std::vector<std::string>& names, std::istream& list);

}  // namespace salus::io
