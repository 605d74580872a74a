#pragma once

#include <tiffio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace salus::io {

/// A TIFF file in memory; every read of libtiff is bounded by it.
struct TiffStream {
  std::span<const std::byte> bytes;
  std::uint64_t at = 0;
};

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

/// Opens `stream`, which must outlive the result, with libtiff's messages silenced.
/// \param max_allocation  bytes that libtiff may allocate at once.
/// \returns null if libtiff finds no directory.
Tiff open_tiff(TiffStream& stream, std::int64_t max_allocation);

}  // namespace salus::io
