// PNG (ISO/IEC 15948): the chunks are walked and verified here; OpenCV then decodes a copy that
// holds only what concerns the pixels.
#include <fmt/core.h>
#include <zlib.h>

#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <string_view>

#include "engine/io/error.h"
#include "engine/io/numbers.h"
#include "engine/io/raster.h"

namespace salus::io {
namespace {

constexpr std::size_t kSignature = 8;
constexpr std::size_t kFraming = 12;          // length, type and CRC of a chunk
constexpr std::int64_t kMaxExpansion = 1032;  // of deflate

enum ColorType { kGray = 0, kRgb = 2, kPalette = 3, kGrayAlpha = 4, kRgba = 6 };

struct PngFile {
  std::int64_t columns = 0, rows = 0;
  int depth = 0, color = 0;
  std::int64_t packed = 0;  // bytes of all IDAT chunks
  int orientation = 1;
  std::vector<std::uint8_t> pixels;  // IHDR, PLTE, IDAT and IEND, after the signature
};

[[noreturn]] void fail(const std::string& origin, const std::string& reason) {
  throw Error(
      fmt::format("{} {}; the PNG file is truncated or damaged, fetch it again.", origin, reason));
}

int channels(int color) {
  return color == kRgb ? 3 : color == kRgba ? 4 : color == kGrayAlpha ? 2 : 1;
}

void parse_header(std::span<const std::byte> data, const std::string& origin, PngFile& png) {
  if (data.size() != 13) fail(origin, "has a header of the wrong length");
  png.columns = load_be<std::uint32_t>(data, 0);
  png.rows = load_be<std::uint32_t>(data, 4);
  png.depth = std::to_integer<int>(data[8]);
  png.color = std::to_integer<int>(data[9]);
  const bool deep = png.depth == 8 || png.depth == 16;
  const bool shallow = png.depth == 1 || png.depth == 2 || png.depth == 4;
  const bool good =
      png.color == kGray ? deep || shallow
      : png.color == kPalette
          ? shallow || png.depth == 8
          : deep && (png.color == kRgb || png.color == kGrayAlpha || png.color == kRgba);
  if (!good) fail(origin, "has an impossible bit depth or colour type");
}

// Dropping tRNS keeps grey grey; dropping the rest keeps profiles and text from the decoder.
bool concerns_pixels(std::string_view type) {
  return type == "IHDR" || type == "PLTE" || type == "IDAT" || type == "IEND";
}

PngFile walk(std::span<const std::byte> bytes, const std::string& origin) {
  PngFile png;
  const auto* raw = reinterpret_cast<const std::uint8_t*>(bytes.data());
  png.pixels.assign(raw, raw + kSignature);
  for (std::size_t at = kSignature; true;) {
    if (bytes.size() - at < kFraming) fail(origin, "ends without its last chunk");
    const std::size_t length = load_be<std::uint32_t>(bytes, at);
    if (length > bytes.size() - at - kFraming) fail(origin, "ends inside a chunk");
    const std::string_view type(reinterpret_cast<const char*>(raw) + at + 4, 4);
    const auto data = bytes.subspan(at + 8, length);
    if (crc32_z(0, raw + at + 4, length + 4) != load_be<std::uint32_t>(bytes, at + 8 + length)) {
      fail(origin, "has a chunk with a wrong checksum");
    }
    if ((type == "IHDR") != (at == kSignature)) fail(origin, "does not begin with its header");
    if (type == "IHDR") parse_header(data, origin, png);
    if (type == "IDAT") png.packed += static_cast<std::int64_t>(length);
    if (type == "eXIf") png.orientation = exif_orientation(data);
    if (concerns_pixels(type)) {
      png.pixels.insert(png.pixels.end(), raw + at, raw + at + kFraming + length);
    }
    if (type == "IEND") return png;
    at += kFraming + length;
  }
}

// cv::Mat with 1, 3 (BGR) or 4 (BGRA) channels -> 1 or 3 (RGB).
template <typename T>
void copy_channels(const cv::Mat& mat, std::int64_t samples, T* out) {
  const int channels = mat.channels();
  for (int y = 0; y < mat.rows; ++y) {
    const T* row = mat.ptr<T>(y);
    for (int x = 0; x < mat.cols; ++x, row += channels) {
      for (std::int64_t s = 0; s < samples; ++s) *out++ = row[samples == 3 ? 2 - s : 0];
    }
  }
}

cv::Mat decode(const PngFile& png, const std::string& origin) {
  cv::Mat mat;
  try {
    mat = cv::imdecode(png.pixels, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {
    fail(origin, "cannot be decoded");
  }
  const int depth = png.depth == 16 ? CV_16U : CV_8U;
  if (mat.empty() || mat.rows != png.rows || mat.cols != png.columns || mat.depth() != depth) {
    fail(origin, "has damaged pixel data");
  }
  return mat;
}

}  // namespace

Image read_png(std::span<const std::byte> bytes, const std::string& origin,
               const ReadLimits& limits, bool with_pixels) {
  const PngFile png = walk(bytes, origin);
  const bool gray = png.color == kGray || png.color == kGrayAlpha;
  Image image = make_image("PNG", png.depth == 16 ? PixelType::kU16 : PixelType::kU8, 1, png.rows,
                           png.columns, gray ? 1 : 3);
  const std::int64_t size = checked_pixel_bytes(image, origin, limits);
  const std::int64_t row_bytes = (png.columns * channels(png.color) * png.depth + 7) / 8;
  if (png.rows * row_bytes > png.packed * kMaxExpansion) {
    fail(origin, "claims more pixels than its data can hold");
  }
  if (png.orientation != 1) image.warnings.push_back(orientation_warning(png.orientation));
  if (!with_pixels) return image;
  const cv::Mat mat = decode(png, origin);
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
  std::byte* out = image.pixels.bytes->data();
  if (png.depth == 16) {
    copy_channels(mat, image.pixels.samples, reinterpret_cast<std::uint16_t*>(out));
  } else {
    copy_channels(mat, image.pixels.samples, reinterpret_cast<std::uint8_t*>(out));
  }
  return image;
}

}  // namespace salus::io
