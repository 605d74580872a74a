#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/similar/manifest.h"

namespace salus::similar {

/// The number that `id` writes as a whole number does: no sign but -, no leading zero, within
/// int64. "007" and "1.0" are text.
std::optional<std::int64_t> integer_id(std::string_view id);

/// kInteger if every id is one.
IdKind id_kind(const std::vector<std::string>& ids);

/// Places of `ids` in ascending order: integers by value, text by bytes. Equal ids keep their
/// order.
std::vector<std::uint64_t> id_order(const std::vector<std::string>& ids, IdKind kind);

}  // namespace salus::similar
