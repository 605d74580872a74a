#include "engine/data/lines_below.h"

#include <fmt/format.h>

#include <algorithm>

namespace salus::data {

std::string lines_below(const std::vector<std::string>& lines) {
  constexpr std::size_t kShown = 20;
  const auto shown = std::min(lines.size(), kShown);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) text += "\n  " + lines[i];
  if (shown < lines.size()) text += fmt::format("\n  and {} more.", lines.size() - shown);
  return text;
}

}  // namespace salus::data
