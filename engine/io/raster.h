#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/io/image.h"

namespace salus::io {

/// Readers of PNG, JPEG and TIFF. All give pixels as Pillow does: alpha dropped, palettes as RGB,
/// grey with 1 to 4 bits stretched to 0..255, 16 bits kept. `bytes` is the whole file. Completeness
/// is checked before decoding (chunks, markers, strips), since the decoders fill what is missing
/// with grey. `with_pixels` false leaves `pixels.bytes` null.
/// \throws salus::Error naming `origin`: truncated, damaged, over `limits`, not supported.

/// Orientation that an eXIf chunk asks for is not applied, as in Pillow and torchvision, but warned
/// of.
Image read_png(std::span<const std::byte> bytes, const std::string& origin,
               const ReadLimits& limits, bool with_pixels);

/// Baseline, extended 8-bit and progressive, grey or colour. EXIF orientation as for PNG.
Image read_jpeg(std::span<const std::byte> bytes, const std::string& origin,
                const ReadLimits& limits, bool with_pixels);

/// 1, 8, 16, 32 and 64-bit unsigned, signed and float samples; every page of a multi-page file is a
/// frame, pages of reduced resolution are left out. The orientation tag is applied, as Pillow does.
/// WhiteIsZero becomes `monochrome1`.
Image read_tiff(std::span<const std::byte> bytes, const std::string& origin,
                const ReadLimits& limits, bool with_pixels);

/// A raster image without pixels: sizes, one default grayscale chain, bits by `type`.
Image make_image(const std::string& format, PixelType type, std::int64_t frames, std::int64_t rows,
                 std::int64_t columns, std::int64_t samples);

/// Bytes of the pixels of `image`. \throws salus::Error naming `origin` if a size is not positive
/// or the bytes are over `limits`.
std::int64_t checked_pixel_bytes(const Image& image, const std::string& origin,
                                 const ReadLimits& limits);

/// Orientation tag (1 to 8) of EXIF data, a TIFF header with its first directory; 1 if there is
/// none.
int exif_orientation(std::span<const std::byte> tiff);

/// The warning for an orientation that is not applied.
std::string orientation_warning(int orientation);

}  // namespace salus::io
