#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/similar/manifest.h"
#include "engine/similar/segment_format.h"

// The arithmetic of segment_format.h, shared by reader and writer.

namespace salus::similar {

/// Rows that share a line of `bounds` (kernels/similarity_bound.h); shards are whole blocks.
inline constexpr std::int64_t kBoundsBlock = 256;

/// A header with all that follows from the manifest; sections, sizes and checksums are still 0.
SegmentHeader header_for(const Manifest& manifest, std::uint64_t rows);

/// Bytes of a section of `rows` rows; nothing for those that depend on the contents (text of ids,
/// dictionaries, checksums).
std::optional<std::uint64_t> section_bytes(const Manifest& manifest, std::uint64_t rows,
                                           std::size_t name);

/// Bytes of the checksum section that begins at `offset`.
std::uint64_t checksum_bytes(std::uint64_t offset);

std::uint32_t header_checksum(SegmentHeader header);
std::uint32_t alive_checksum(AliveHeader header, std::span<const std::byte> words);

/// Tells one similarity_prepare() from another by what it makes of a few fixed rows. Bounds that an
/// older one made must not meet a search that derives its errors otherwise: answers that claim to
/// be certain could be wrong.
std::uint32_t preparation(const Manifest& manifest);

/// Ranges [first, last) of bytes that belong to rows outside [begin, end) alone.
std::vector<std::pair<std::uint64_t, std::uint64_t>> foreign_bytes(const SegmentHeader& header,
                                                                   std::int64_t begin,
                                                                   std::int64_t end);

}  // namespace salus::similar
