#pragma once

#include <string>
#include <vector>

namespace salus::data {

/// What stands below a sentence, a line each: "\n  a\n  b". Of more than 20 the first 20, and how many
/// more there are.
std::string lines_below(const std::vector<std::string>& lines);

}  // namespace salus::data
