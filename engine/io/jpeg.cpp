// JPEG (ITU-T T.81) by libjpeg itself rather than OpenCV: only libjpeg's own error hooks tell that
// entropy-coded data ended early, where it then fills the rest of the image with grey.
#include <fmt/core.h>
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "engine/io/error.h"
#include "engine/io/numbers.h"
#include "engine/io/raster.h"

namespace salus::io {
namespace {

constexpr int kMaxScans = 100;  // honest progressive files have about ten; each costs a full pass
constexpr std::int64_t kMaxPixelsPerByte = 512;  // a block of 64 pixels takes at least one bit

enum Marker {
  kSof0 = 0xc0,
  kDht = 0xc4,
  kJpg = 0xc8,
  kDac = 0xcc,
  kSof15 = 0xcf,
  kRst0 = 0xd0,
  kRst7 = 0xd7,
  kSoi = 0xd8,
  kEoi = 0xd9,
  kSos = 0xda,
  kApp1 = 0xe1,
  kTem = 0x01
};

struct JpegFile {
  std::int64_t columns = 0, rows = 0;
  int components = 0;
  int scans = 0;
  int orientation = 1;
};

[[noreturn]] void fail(const std::string& origin, const std::string& reason) {
  throw Error(
      fmt::format("{} {}; the JPEG file is truncated or damaged, fetch it again.", origin, reason));
}

void parse_frame(int marker, std::span<const std::byte> data, const std::string& origin,
                 JpegFile& jpeg) {
  if (data.size() < 6) fail(origin, "has a frame header that is too short");
  if (jpeg.components != 0) fail(origin, "has two frame headers");
  const int precision = std::to_integer<int>(data[0]);
  if (marker > kSof0 + 2 || precision != 8) {
    throw Error(
        fmt::format("{} is a JPEG with process {} and {} bits a sample; baseline, extended and "
                    "progressive JPEG of 8 bits are read. Save it as PNG.",
                    origin, marker - kSof0, precision));
  }
  jpeg.rows = load_be<std::uint16_t>(data, 1);
  jpeg.columns = load_be<std::uint16_t>(data, 3);
  jpeg.components = std::to_integer<int>(data[5]);
  if (jpeg.components != 1 && jpeg.components != 3) {
    throw Error(fmt::format("{} is a JPEG with {} components (CMYK, if 4); save it as grey or RGB.",
                            origin, jpeg.components));
  }
}

class Walker {
 public:
  Walker(std::span<const std::byte> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  JpegFile walk() {
    at_ = 2;
    while (true) {
      const int marker = next_marker();
      if (marker == kEoi) break;
      if (marker == kTem || (marker >= kRst0 && marker <= kSoi)) continue;  // without a length
      segment(marker);
    }
    if (jpeg_.components == 0 || jpeg_.scans == 0) fail(origin_, "holds no image");
    return jpeg_;
  }

 private:
  int byte(std::size_t at) const { return std::to_integer<int>(bytes_[at]); }

  int next_marker() {
    if (at_ + 2 > bytes_.size()) fail(origin_, "ends without its end marker");
    if (byte(at_) != 0xff) fail(origin_, "has no marker where one should be");
    while (at_ + 1 < bytes_.size() && byte(at_ + 1) == 0xff) ++at_;  // fill bytes
    if (at_ + 2 > bytes_.size()) fail(origin_, "ends without its end marker");
    at_ += 2;
    return byte(at_ - 1);
  }

  void segment(int marker) {
    if (at_ + 2 > bytes_.size()) fail(origin_, "ends inside a segment");
    const std::size_t length = load_be<std::uint16_t>(bytes_, at_);
    if (length < 2 || length > bytes_.size() - at_) fail(origin_, "ends inside a segment");
    const auto data = bytes_.subspan(at_ + 2, length - 2);
    at_ += length;
    const bool is_frame =
        marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
    if (is_frame) parse_frame(marker, data, origin_, jpeg_);
    if (marker == kApp1 && data.size() > 6 && std::memcmp(data.data(), "Exif\0", 6) == 0) {
      jpeg_.orientation = exif_orientation(data.subspan(6));
    }
    if (marker == kSos) skip_scan();
  }

  // Entropy-coded data: 0xff is followed by 0 there, or by a restart marker.
  void skip_scan() {
    if (++jpeg_.scans > kMaxScans) fail(origin_, fmt::format("has more than {} scans", kMaxScans));
    for (; at_ + 1 < bytes_.size(); ++at_) {
      const int next = byte(at_ + 1);
      if (byte(at_) == 0xff && next != 0 && next != 0xff && (next < kRst0 || next > kRst7)) return;
    }
    fail(origin_, "ends without its end marker");
  }

  std::span<const std::byte> bytes_;
  const std::string& origin_;
  std::size_t at_ = 0;
  JpegFile jpeg_;
};

// Everything that longjmp may skip lies in here, outside the frames it leaves, and has no
// destructor.
struct Decoder {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  JSAMPROW row;
  bool damaged;
};

void on_error(j_common_ptr info) {
  auto* decoder = static_cast<Decoder*>(info->client_data);
  info->err->format_message(info, decoder->message);
  std::longjmp(decoder->escape, 1);
}

// Only this warning leaves the pixels whole: bytes between two markers that no one needs.
void on_message(j_common_ptr info, int level) {
  auto* decoder = static_cast<Decoder*>(info->client_data);
  const int code = info->err->msg_code;
  if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR ||
      code == JWRN_ADOBE_XFORM || decoder->damaged) {
    return;
  }
  decoder->damaged = true;
  info->err->format_message(info, decoder->message);
}

// Returns false with `decoder.message` set. No object with a destructor may live in this frame.
bool decode_rows(Decoder& decoder, std::span<const std::byte> bytes, JSAMPLE* out,
                 std::size_t row_bytes) {
  decoder.info.err = jpeg_std_error(&decoder.errors);
  decoder.info.client_data = &decoder;
  decoder.errors.error_exit = on_error;
  decoder.errors.emit_message = on_message;
  if (setjmp(decoder.escape) != 0) {
    jpeg_destroy_decompress(&decoder.info);
    return false;
  }
  jpeg_create_decompress(&decoder.info);
  decoder.info.client_data = &decoder;  // creation clears what it does not keep
  jpeg_mem_src(&decoder.info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&decoder.info, TRUE);
  decoder.info.out_color_space = decoder.info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&decoder.info);
  while (decoder.info.output_scanline < decoder.info.output_height) {
    decoder.row = out + decoder.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&decoder.info, &decoder.row, 1);
  }
  jpeg_finish_decompress(&decoder.info);
  jpeg_destroy_decompress(&decoder.info);
  return !decoder.damaged;
}

}  // namespace

Image read_jpeg(std::span<const std::byte> bytes, const std::string& origin,
                const ReadLimits& limits, bool with_pixels) {
  const JpegFile jpeg = Walker(bytes, origin).walk();
  Image image = make_image("JPEG", PixelType::kU8, 1, jpeg.rows, jpeg.columns, jpeg.components);
  const std::int64_t size = checked_pixel_bytes(image, origin, limits);
  if (jpeg.rows * jpeg.columns / kMaxPixelsPerByte > static_cast<std::int64_t>(bytes.size())) {
    fail(origin, "claims more pixels than its data can hold");
  }
  if (jpeg.orientation != 1) image.warnings.push_back(orientation_warning(jpeg.orientation));
  if (!with_pixels) return image;
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
  Decoder decoder{};
  auto* out = reinterpret_cast<JSAMPLE*>(image.pixels.bytes->data());
  if (!decode_rows(decoder, bytes, out, static_cast<std::size_t>(jpeg.columns * jpeg.components))) {
    fail(origin, fmt::format("cannot be decoded whole ({})", decoder.message));
  }
  return image;
}

}  // namespace salus::io
