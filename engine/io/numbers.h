#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace salus::io {

/// Reads an unsigned integer at `offset` of `bytes`, which must be long enough.
template <typename T>
T load_le(std::span<const std::byte> bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>((value << (sizeof(T) > 1 ? 8 : 0)) |
                           std::to_integer<std::uint8_t>(bytes[offset + i]));
  }
  return value;
}

template <typename T>
T load_be(std::span<const std::byte> bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << (sizeof(T) > 1 ? 8 : 0)) |
                           std::to_integer<std::uint8_t>(bytes[offset + i]));
  }
  return value;
}

/// Product of `shape` times `item`, or -1 if an extent is negative or the product passes 2^62.
/// An empty shape is a scalar.
inline std::int64_t checked_bytes(std::span<const std::int64_t> shape, std::int64_t item) {
  std::int64_t bytes = item;
  bool zero = item == 0;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return -1;
    zero = zero || extent == 0;
  }
  if (zero) return 0;
  for (const std::int64_t extent : shape) {
    if (extent > (std::int64_t{1} << 62) / bytes) return -1;
    bytes *= extent;
  }
  return bytes;
}

/// Reverses the bytes of each `item`-byte value.
inline void swap_bytes(std::span<std::byte> bytes, std::size_t item) {
  if (item < 2) return;
  for (std::size_t i = 0; i + item <= bytes.size(); i += item) {
    std::reverse(bytes.begin() + i, bytes.begin() + i + item);
  }
}

/// Copies a strided array into row-major order. `strides` count in items, and every item they reach
/// must lie inside `source`.
inline std::vector<std::byte> gather_strided(std::span<const std::byte> source, std::size_t item,
                                             std::span<const std::int64_t> shape,
                                             std::span<const std::int64_t> strides) {
  std::vector<std::byte> out(static_cast<std::size_t>(checked_bytes(shape, item)));
  if (out.empty()) return out;
  std::vector<std::int64_t> index(shape.size(), 0);
  std::int64_t at = 0;
  for (std::size_t done = 0; done < out.size(); done += item) {
    std::memcpy(out.data() + done, source.data() + at * static_cast<std::int64_t>(item), item);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

}  // namespace salus::io
