#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace salus::io {

/// An array of a NumPy file (format 1.0-3.0), C order, native byte order (converted when read).
struct NpyArray {
  std::string dtype;  ///< "|u1", "<i2", "<f4", "<f8", "<i8", "|b1", ...
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  std::int64_t count() const;
  /// Value i (row-major) as double. \throws salus::Error for a non-numeric dtype.
  double at(std::int64_t i) const;
};

/// \throws salus::Error naming file and reason (pickled objects are refused; sizes are checked
///         against the file before anything is allocated).
NpyArray read_npy(const std::string& path);
NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& origin);

/// All arrays of an .npz (zip, stored or deflated), by name without ".npy".
std::map<std::string, NpyArray> read_npz(const std::string& path);

/// Writes atomically. `dtype` as numpy_name() gives.
void write_npy(const std::string& path, const std::string& dtype,
               const std::vector<std::int64_t>& shape, std::span<const std::byte> bytes);

}  // namespace salus::io
