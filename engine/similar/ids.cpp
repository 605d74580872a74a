#include "engine/similar/ids.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace salus::similar {

std::optional<std::int64_t> integer_id(std::string_view id) {
  std::int64_t value = 0;
  const char* end = id.data() + id.size();
  const auto [stopped, error] = std::from_chars(id.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  char canonical[24];
  const auto written = std::to_chars(canonical, canonical + sizeof canonical, value).ptr;
  const std::string_view text(canonical, static_cast<std::size_t>(written - canonical));
  return text == id ? std::optional(value) : std::nullopt;
}

IdKind id_kind(const std::vector<std::string>& ids) {
  const bool integers = std::all_of(
      ids.begin(), ids.end(), [](const std::string& id) { return integer_id(id).has_value(); });
  return integers ? IdKind::kInteger : IdKind::kText;
}

std::vector<std::uint64_t> id_order(const std::vector<std::string>& ids, IdKind kind) {
  std::vector<std::uint64_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  if (kind == IdKind::kText) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint64_t a, std::uint64_t b) { return ids[a] < ids[b]; });
    return order;
  }
  std::vector<std::int64_t> values(ids.size());
  std::transform(ids.begin(), ids.end(), values.begin(),
                 [](const std::string& id) { return integer_id(id).value(); });
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint64_t a, std::uint64_t b) { return values[a] < values[b]; });
  return order;
}

}  // namespace salus::similar
