#pragma once

// Internal to wfdb*.cpp: how samples are packed into a signal file, signal(5).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace salus::io {

/// A format of signal files. Samples are packed in groups of `values`; all formats but those of 10
/// and 12 bits have groups of one.
struct WfdbFormat {
  int number = 0;
  int values = 1;
  std::array<int, 4> bytes{};  ///< of the first so many values of a group
  std::int64_t invalid = 0;    ///< the value by which it marks that no valid sample was taken

  /// Bytes of so many values from the beginning of a group on.
  std::int64_t packed_bytes(std::int64_t count) const;
  /// How many values so many bytes hold.
  std::int64_t packed_values(std::int64_t count) const;
};

/// Null for a format that cannot be read.
const WfdbFormat* find_wfdb_format(int number);

/// Unpacks out.size() values, which begin with a group. Of format 8 they are first differences.
/// \param bytes  at least packed_bytes(out.size()).
void unpack_wfdb(const WfdbFormat& format, std::span<const std::byte> bytes,
                 std::span<std::int32_t> out);

}  // namespace salus::io
