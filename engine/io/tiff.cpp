// TIFF 6.0 and BigTIFF by libtiff itself rather than OpenCV, which reads signed samples as
// unsigned.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/io/error.h"
#include "engine/io/numbers.h"
#include "engine/io/raster.h"
#include "engine/io/tiff_orient.h"
#include "engine/io/tiff_stream.h"

namespace salus::io {
namespace {

// LZW codes of 12 bits stand for up to 4096 bytes; deflate and PackBits expand less.
constexpr std::int64_t kMaxExpansion = 4096;
constexpr std::int64_t kMaxPixelsPerJpegByte = 512;
constexpr std::int64_t kSmallTile = 64 << 20;
constexpr int kMaxPages = 100'000;

[[noreturn]] void damaged(const std::string& origin, const std::string& reason) {
  throw Error(
      fmt::format("{} {}; the TIFF file is truncated or damaged, fetch it again.", origin, reason));
}

[[noreturn]] void unsupported(const std::string& origin, const std::string& what) {
  throw Error(
      fmt::format("{} is a TIFF with {}, which is not read; save it as grey or RGB with 8, 16 "
                  "or 32 bits a sample, uncompressed or deflated.",
                  origin, what));
}

struct Page {
  std::uint32_t columns = 0, rows = 0;
  std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, photometric = 0, planar = 1;
  std::uint16_t compression = 1, orientation = 1;
  bool tiled = false;

  bool operator==(const Page&) const = default;
  bool palette() const { return photometric == PHOTOMETRIC_PALETTE; }
  std::int64_t kept() const {  // samples of the image
    const bool gray =
        photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    return gray ? 1 : 3;
  }
};

Page read_page(TIFF* tiff, const std::string& origin) {
  Page page;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &page.columns);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &page.rows);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &page.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &page.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &page.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &page.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &page.orientation);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &page.compression);
  if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &page.photometric)) {
    damaged(origin, "does not say how its samples are meant (PhotometricInterpretation)");
  }
  page.tiled = TIFFIsTiled(tiff) != 0;
  // JPEG inside TIFF is stored as YCbCr; libtiff converts it if told so.
  if (page.compression == COMPRESSION_JPEG && page.photometric == PHOTOMETRIC_YCBCR) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    page.photometric = PHOTOMETRIC_RGB;
  }
  return page;
}

PixelType type_of(const Page& page, const std::string& origin) {
  const bool floats = page.format == SAMPLEFORMAT_IEEEFP;
  const bool is_signed = page.format == SAMPLEFORMAT_INT;
  if (page.bits == 1 && !floats && !is_signed) return PixelType::kU8;
  if (page.bits == 8 && !floats) return is_signed ? PixelType::kI8 : PixelType::kU8;
  if (page.bits == 16 && !floats) return is_signed ? PixelType::kI16 : PixelType::kU16;
  if (page.bits == 32) {
    return floats ? PixelType::kF32 : is_signed ? PixelType::kI32 : PixelType::kU32;
  }
  if (page.bits == 64 && floats) return PixelType::kF64;
  unsupported(origin, fmt::format("{} bits a sample in sample format {}", page.bits, page.format));
}

void check_page(const Page& page, const std::string& origin) {
  switch (page.compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_JPEG:
      break;
    default:
      unsupported(origin, fmt::format("compression {}", page.compression));
  }
  const bool gray = page.kept() == 1;
  if (!gray && page.photometric != PHOTOMETRIC_RGB && !page.palette()) {
    unsupported(origin, fmt::format("photometric interpretation {}", page.photometric));
  }
  // One more sample than the colours is alpha, which is dropped.
  const int colors = page.photometric == PHOTOMETRIC_RGB ? 3 : 1;
  if (page.samples < colors || page.samples > colors + 1 || (page.palette() && page.samples != 1) ||
      (page.bits == 1 && page.samples != 1)) {
    unsupported(origin, fmt::format("{} samples a pixel", page.samples));
  }
  if (page.palette() && page.bits != 8) unsupported(origin, "a palette of other than 8 bits");
  if (page.planar != PLANARCONFIG_CONTIG && page.planar != PLANARCONFIG_SEPARATE) {
    damaged(origin, "has an impossible planar configuration");
  }
}

// Every strip or tile must lie in the file and be able to expand to the pixels claimed.
void check_strips(TIFF* tiff, const Page& page, std::int64_t file_size, const std::string& origin) {
  const std::uint32_t count = page.tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  std::int64_t packed = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t offset = TIFFGetStrileOffset(tiff, i);
    const std::uint64_t size = TIFFGetStrileByteCount(tiff, i);
    const auto limit = static_cast<std::uint64_t>(file_size);
    if (offset == 0 || size == 0 || offset > limit || size > limit - offset) {
      damaged(origin, "ends before its pixels do");
    }
    packed = std::min(packed + static_cast<std::int64_t>(size), file_size);
  }
  const std::int64_t pixels = std::int64_t{page.columns} * page.rows;
  const bool jpeg = page.compression == COMPRESSION_JPEG;
  const std::int64_t most =
      jpeg ? packed * kMaxPixelsPerJpegByte
           : packed * 8 * (page.compression == COMPRESSION_NONE ? 1 : kMaxExpansion) / page.bits;
  if (pixels > most) damaged(origin, "claims more pixels than its data can hold");
}

// Where a decoded strip or tile lies in its page.
struct Block {
  std::int64_t x = 0, y = 0, columns = 0, rows = 0, stride = 0;  // stride in pixels of the block
};

class PageDecoder {
 public:
  PageDecoder(TIFF* tiff, const Page& page, std::size_t item, const std::string& origin,
              std::byte* out)
      : tiff_(tiff), page_(page), item_(item), origin_(origin), out_(out) {
    if (!page.palette()) return;
    if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &map_[0], &map_[1], &map_[2])) {
      damaged(origin, "has no colour map");
    }
  }

  void decode() {
    const bool separate = page_.planar == PLANARCONFIG_SEPARATE;
    const std::int64_t stored = separate ? 1 : page_.samples;
    const std::int64_t planes = separate ? std::min<std::int64_t>(page_.samples, page_.kept()) : 1;
    std::uint32_t width = page_.columns, height = 0;
    if (page_.tiled) {
      TIFFGetField(tiff_, TIFFTAG_TILEWIDTH, &width);
      TIFFGetField(tiff_, TIFFTAG_TILELENGTH, &height);
    } else {
      TIFFGetFieldDefaulted(tiff_, TIFFTAG_ROWSPERSTRIP, &height);
      height = std::min(height, page_.rows);
    }
    const tmsize_t size = page_.tiled ? TIFFTileSize(tiff_) : TIFFStripSize(tiff_);
    // An honest tile is little larger than its page, and a small page has small tiles.
    const std::int64_t most = 4 * std::int64_t{page_.columns} * page_.rows * page_.samples * 8;
    if (width == 0 || height == 0 || size <= 0 || size > std::max(most, kSmallTile)) {
      damaged(origin_, "has strips or tiles of an impossible size");
    }
    buffer_.resize(static_cast<std::size_t>(size));
    std::uint32_t index = 0;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
      for (std::int64_t y = 0; y < page_.rows; y += height) {
        for (std::int64_t x = 0; x < page_.columns; x += width) {
          const Block block{x, y, std::min<std::int64_t>(width, page_.columns - x),
                            std::min<std::int64_t>(height, page_.rows - y), width};
          read_block(index++, block, stored);
          place(block, plane, stored);
        }
      }
    }
  }

 private:
  void read_block(std::uint32_t index, const Block& block, std::int64_t stored) {
    const auto size = static_cast<tmsize_t>(buffer_.size());
    const tmsize_t got = page_.tiled ? TIFFReadEncodedTile(tiff_, index, buffer_.data(), size)
                                     : TIFFReadEncodedStrip(tiff_, index, buffer_.data(), size);
    const std::int64_t rows = page_.tiled ? block.rows - 1 : block.rows;
    const std::int64_t row_bytes = (block.stride * stored * page_.bits + 7) / 8;
    if (got < rows * row_bytes) damaged(origin_, "has pixel data that end early");
  }

  void place(const Block& block, std::int64_t plane, std::int64_t stored) {
    const std::int64_t row_bytes = (block.stride * stored * page_.bits + 7) / 8;
    const std::int64_t kept = page_.kept();
    const bool separate = page_.planar == PLANARCONFIG_SEPARATE;
    const std::int64_t copied = page_.palette() || separate ? 1 : kept;
    if ((block.rows - 1) * row_bytes + (block.columns * stored * page_.bits + 7) / 8 >
        static_cast<std::int64_t>(buffer_.size())) {
      damaged(origin_, "has strips of contradictory sizes");
    }
    for (std::int64_t y = 0; y < block.rows; ++y) {
      const std::byte* in = buffer_.data() + y * row_bytes;
      std::byte* out = out_ + ((block.y + y) * page_.columns + block.x) * kept *
                                  static_cast<std::int64_t>(item_);
      for (std::int64_t x = 0; x < block.columns; ++x) {
        put_pixel(in, x, stored, copied,
                  out + (x * kept + plane) * static_cast<std::int64_t>(item_));
      }
    }
  }

  void put_pixel(const std::byte* row, std::int64_t x, std::int64_t stored, std::int64_t copied,
                 std::byte* out) const {
    if (page_.bits == 1) {
      const bool set = (row[x / 8] >> (7 - x % 8) & std::byte{1}) != std::byte{0};
      *out = set ? std::byte{255} : std::byte{0};
    } else if (page_.palette()) {
      const auto entry = std::to_integer<std::size_t>(row[x]);
      for (int s = 0; s < 3; ++s) out[s] = static_cast<std::byte>(map_[s][entry] >> 8);
    } else {
      std::memcpy(out, row + x * stored * static_cast<std::int64_t>(item_),
                  static_cast<std::size_t>(copied) * item_);
    }
  }

  TIFF* tiff_;
  const Page& page_;
  std::size_t item_;
  const std::string& origin_;
  std::byte* out_;
  std::uint16_t* map_[3] = {};
  std::vector<std::byte> buffer_;
};

bool reduced_resolution(TIFF* tiff) {
  std::uint32_t kind = 0;
  TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind);
  return (kind & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) != 0;
}

// Numbers of the directories that are frames; all must be alike.
std::vector<tdir_t> find_frames(TIFF* tiff, const Page& first, std::int64_t file_size,
                                const std::string& origin) {
  std::vector<tdir_t> frames;
  for (int number = 0; number < kMaxPages; ++number) {
    if (!reduced_resolution(tiff) || number == 0) {
      const Page page = read_page(tiff, origin);
      if (!(page == first)) {
        throw Error(
            fmt::format("{} has pages of different size or kind; save them as files of their "
                        "own.",
                        origin));
      }
      check_strips(tiff, page, file_size, origin);
      frames.push_back(static_cast<tdir_t>(number));
    }
    if (TIFFLastDirectory(tiff)) return frames;
    if (!TIFFReadDirectory(tiff)) damaged(origin, "has a page directory that cannot be read");
  }
  damaged(origin, "has a hundred thousand pages or a loop of pages");
}

}  // namespace

Image read_tiff(std::span<const std::byte> bytes, const std::string& origin,
                const ReadLimits& limits, bool with_pixels) {
  TiffStream stream{bytes};
  const Tiff tiff = open_tiff(stream, std::max(limits.max_pixel_bytes, kSmallTile));
  if (!tiff) damaged(origin, "has no readable directory");
  const Page page = read_page(tiff.get(), origin);
  check_page(page, origin);
  const auto file_size = static_cast<std::int64_t>(bytes.size());
  const auto frames = find_frames(tiff.get(), page, file_size, origin);
  Image image = make_image("TIFF", type_of(page, origin), static_cast<std::int64_t>(frames.size()),
                           page.rows, page.columns, page.kept());
  image.monochrome1 = page.photometric == PHOTOMETRIC_MINISWHITE;
  const std::int64_t size = checked_pixel_bytes(image, origin, limits);
  if (with_pixels) {
    image.pixels.bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (!TIFFSetDirectory(tiff.get(), frames[i])) damaged(origin, "has an unreadable page");
      read_page(tiff.get(), origin);  // sets the colour mode of JPEG for this page
      PageDecoder(tiff.get(), page, size_of(image.pixels.type), origin,
                  image.pixels.bytes->data() + i * image.pixels.bytes_per_frame())
          .decode();
    }
  }
  apply_orientation(image.pixels, page.orientation);
  return image;
}

}  // namespace salus::io
