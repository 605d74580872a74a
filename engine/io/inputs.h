#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace salus::io {

/// What the names that a caller gave stand for.
struct NamedFiles {
  std::vector<std::string> files;
  std::vector<std::string> problems;  ///< what is left out and why: whole sentences that name it
};

/// Expands what a caller names as inputs: a file; a folder (all files in it and below, hidden ones
/// and DICOMDIR left out, in name order); a glob pattern; "-" for a list of these, one a line, on
/// `list` (UTF-8, with or without a byte order mark).
///
/// A problem is a name that is not there, a pattern without a match, a folder or list without files,
/// and below a folder what cannot be read: sub-folders, links that lead nowhere or to folders (they are
/// not followed), devices.
NamedFiles expand_inputs(const std::vector<std::string>& names, std::istream& list);

}  // namespace salus::io
