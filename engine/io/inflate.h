#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace salus::io {

enum class DeflateFormat { kRaw, kZlib, kGzip };

/// Inflates a stream that must give exactly `size` bytes and use all of `packed`, where a gzip stream
/// may be padded with zeros. `size` is refused before it is allocated if deflate could not expand to
/// it.
/// \throws salus::Error naming `origin`.
std::vector<std::byte> inflate_exactly(std::span<const std::byte> packed, std::int64_t size,
                                       DeflateFormat format, const std::string& origin);

/// Inflates at most the first `size` bytes; fewer if the stream ends before. What follows the end of a
/// gzip stream must be another one (RFC 1952 2.2) or zeros.
/// \throws salus::Error naming `origin` if the stream is damaged before that.
std::vector<std::byte> inflate_head(std::span<const std::byte> packed, std::int64_t size,
                                    DeflateFormat format, const std::string& origin);

}  // namespace salus::io
