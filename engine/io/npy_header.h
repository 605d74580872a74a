#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace salus::io {

/// What the header of a NumPy file says.
struct NpyHeader {
  std::string dtype;  ///< in native order: "|u1", "<f4", ...
  std::int64_t item_size = 0;
  std::int64_t swap_size = 0;  ///< bytes that are reversed together if big endian
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::size_t data_offset = 0;
};

/// Parses the magic, version (1.0 to 3.0) and dictionary at the start of `bytes`, which may end
/// after the header.
/// \throws salus::Error naming `origin`: not NumPy, truncated, pickled objects, records.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& origin);

}  // namespace salus::io
