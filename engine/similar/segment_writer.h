#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/similar/attributes.h"
#include "engine/similar/manifest.h"

namespace salus::similar {

/// Rows as a segment stores them.
struct StoredRows {
  at::Tensor rows;       ///< [count, D] of the index's dtype
  at::Tensor scales;     ///< float32 [count] for int8
  at::Tensor originals;  ///< float32 [count, D] if the index keeps them
};

/// Rounds float32 [count, D] to what the index stores.
StoredRows store_rows(const at::Tensor& values, const Manifest& manifest);

/// What a segment is made of. The rows come in pieces, so that memory stays small.
struct SegmentContent {
  std::int64_t rows = 0;  ///< at least 1
  std::function<StoredRows(std::int64_t first, std::int64_t count)> read;
  std::vector<std::string> ids;             ///< one per row, no two the same
  std::vector<AttributeValues> attributes;  ///< in the manifest's order
};

/// Writes a segment file, atomically and durably, without ever holding its rows.
/// \throws salus::Error if it cannot be written; `path` is then as it was.
void write_segment(const std::string& path, const Manifest& manifest,
                   const SegmentContent& content);

}  // namespace salus::similar
