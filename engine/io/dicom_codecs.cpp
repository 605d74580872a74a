#include "engine/io/dicom_codecs.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>

#include "engine/io/dicom_color.h"
#include "engine/io/dicom_fragments.h"
#include "engine/io/dicom_native.h"
#include "engine/io/dicom_syntax.h"
#include "engine/io/jpeg2000.h"

namespace salus::io::dicom {
namespace {

/// Decodes the frames of one file, one after the other, and remembers what was odd.
class FrameDecoder {
 public:
  FrameDecoder(const PixelLayout& layout, const TransferSyntax& syntax)
      : layout_(layout), codec_(syntax.codec) {}

  void decode(std::vector<std::byte>& frame, std::byte* out);
  const std::set<std::string>& warnings() const { return warnings_; }

 private:
  Codec codec_of(const std::vector<std::byte>& frame) const;
  void native(const std::vector<std::byte>& frame, std::byte* out);
  void deflated(std::vector<std::byte>& frame, std::byte* out);
  void jpeg(std::vector<std::byte>& frame, bool jpeg_ls, std::byte* out);
  void jpeg2000(const std::vector<std::byte>& frame, std::byte* out);
  void check_size(std::int64_t rows, std::int64_t columns, int components, int precision) const;
  bool jpeg_is_ybr(const JpegInfo& info);
  void clean_jpeg(const JpegInfo& info, std::byte* out) const;
  template <typename T>
  void store_jpeg2000(const Jpeg2000Info& info, T* out) const;
  void to_rgb(std::byte* out) const {
    ybr_to_rgb(out, layout_.pixels_per_frame(), layout_.type(), layout_.bits_stored,
               layout_.photometric.starts_with("YBR_PARTIAL"));
  }
  bool stored_as_ybr() const {
    return layout_.is_ybr() && layout_.photometric != "YBR_RCT" && layout_.photometric != "YBR_ICT";
  }
  void clean(std::byte* out, int high_bit) const {
    clean_bits(out, layout_.values_per_frame(), layout_.type(), layout_.bits_stored, high_bit);
  }

  void clip(std::byte* out) const;

  const PixelLayout& layout_;
  Codec codec_;
  std::vector<std::byte> samples_;
  std::vector<std::int32_t> values_;
  std::set<std::string> warnings_;
};

std::size_t native_bytes(const PixelLayout& layout) {
  return static_cast<std::size_t>((layout.native_bits_per_frame() + 7) / 8);
}

/// Streams of a JPEG family are recognised whatever the transfer syntax says of their process.
Codec FrameDecoder::codec_of(const std::vector<std::byte>& frame) const {
  if (codec_ != Codec::kSniff) return codec_;
  const std::uint64_t start = frame.size() < 12 ? 0 : load_uint(frame.data(), 4, true);
  if (start >> 8 == 0xFFD8FF) {
    return check_jpeg(frame).is_jpeg_ls() ? Codec::kJpegLs : Codec::kJpeg;
  }
  if (start == 0xFF4FFF51 || start == 0x0000000C) return Codec::kJpeg2000;
  const std::size_t bytes = native_bytes(layout_);
  if (frame.size() == bytes || frame.size() == bytes + bytes % 2) {
    return Codec::kEncapsulatedNative;
  }
  return Codec::kRle;
}

void FrameDecoder::decode(std::vector<std::byte>& frame, std::byte* out) {
  switch (codec_of(frame)) {
    case Codec::kRle:
      decode_rle(frame, layout_, out);
      clean(out, layout_.high_bit);
      if (stored_as_ybr()) to_rgb(out);
      return;
    case Codec::kJpeg:
      return jpeg(frame, false, out);
    case Codec::kJpegLs:
      return jpeg(frame, true, out);
    case Codec::kJpeg2000:
      return jpeg2000(frame, out);
    case Codec::kDeflatedFrames:
      deflated(frame, out);
      return;
    default:
      return native(frame, out);
  }
}

void FrameDecoder::native(const std::vector<std::byte>& frame, std::byte* out) {
  if (frame.size() < native_bytes(layout_)) {
    throw CodecError(
        fmt::format("it has {} bytes where {} are needed.", frame.size(), native_bytes(layout_)));
  }
  unpack_frame(frame, layout_, out);
  clean(out, layout_.high_bit);
  if (stored_as_ybr()) to_rgb(out);
}

void FrameDecoder::deflated(std::vector<std::byte>& frame, std::byte* out) {
  std::vector<std::byte> raw(native_bytes(layout_));
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw CodecError("zlib could not be started.");
  stream.next_in = reinterpret_cast<Bytef*>(frame.data());
  stream.avail_in = static_cast<uInt>(frame.size());
  stream.next_out = reinterpret_cast<Bytef*>(raw.data());
  stream.avail_out = static_cast<uInt>(raw.size());
  const int status = inflate(&stream, Z_FINISH);
  const std::size_t missing = stream.avail_out;
  inflateEnd(&stream);
  if (missing > 0 || (status != Z_STREAM_END && status != Z_BUF_ERROR)) {
    throw CodecError("its deflated data are damaged or end too early.");
  }
  native(raw, out);
}

void FrameDecoder::check_size(std::int64_t rows, std::int64_t columns, int components,
                              int precision) const {
  if (rows != layout_.rows || columns != layout_.columns || components != layout_.samples) {
    throw CodecError(
        fmt::format("it holds {} x {} pixels of {} samples where the header says "
                    "{} x {} of {}.",
                    rows, columns, components, layout_.rows, layout_.columns, layout_.samples));
  }
  const int container = 8 * static_cast<int>(size_of(layout_.type()));
  if (precision > container) {
    throw CodecError(fmt::format("it has {} bits per sample where the header allocates {}.",
                                 precision, layout_.bits_allocated));
  }
}

/// Whether JPEG samples are YCbCr: as the header says, unless the stream knows better. Where the
/// header says RGB, a JFIF or Adobe marker overrules it, and so does subsampling, which nobody does
/// to RGB. Where it says YBR, so do an Adobe marker of no transform and components named R, G, B;
/// JFIF is always YCbCr.
bool FrameDecoder::jpeg_is_ybr(const JpegInfo& info) {
  if (layout_.samples != 3) return false;
  const auto& ids = info.component_ids;
  const bool rgb_ids = (ids[0] == 'R' && ids[1] == 'G' && ids[2] == 'B') ||
                       (ids[0] == 'r' && ids[1] == 'g' && ids[2] == 'b');
  if (stored_as_ybr()) {
    const bool named_rgb = rgb_ids && info.adobe_transform <= 0;
    const bool rgb = named_rgb || (info.adobe_transform == 0 && !info.has_jfif);
    if (rgb) {
      warnings_.insert(fmt::format(
          "PhotometricInterpretation is {} but the JPEG components are RGB; they were kept.",
          layout_.photometric));
    }
    return !rgb;
  }
  if (rgb_ids || info.frame_marker == 0xC3 || info.is_jpeg_ls()) return false;
  const bool ybr =
      info.has_jfif || info.adobe_transform > 0 || (info.adobe_transform < 0 && info.subsampled);
  if (ybr) {
    warnings_.insert(
        "PhotometricInterpretation is RGB but the JPEG data are YCbCr; they were converted.");
  }
  return ybr;
}

/// Lossy values may overshoot the stored bits; masked, white would become black.
void FrameDecoder::clip(std::byte* out) const {
  const auto clip_to = [&](auto* values) {
    const std::uint64_t most = (std::uint64_t{1} << layout_.bits_stored) - 1;
    for (std::int64_t i = 0; i < layout_.values_per_frame(); ++i) {
      if (values[i] > most)
        values[i] = static_cast<std::remove_reference_t<decltype(*values)>>(most);
    }
  };
  if (layout_.bits_stored == 8 * static_cast<int>(size_of(layout_.type()))) return;
  if (layout_.type() == PixelType::kU8) clip_to(reinterpret_cast<std::uint8_t*>(out));
  if (layout_.type() == PixelType::kU16) clip_to(reinterpret_cast<std::uint16_t*>(out));
  if (layout_.type() == PixelType::kU32) clip_to(reinterpret_cast<std::uint32_t*>(out));
}

void FrameDecoder::jpeg(std::vector<std::byte>& frame, bool jpeg_ls, std::byte* out) {
  const JpegInfo info = check_jpeg(frame);
  if (info.is_jpeg_ls() != jpeg_ls) {
    throw CodecError(jpeg_ls ? "it is JPEG, not JPEG-LS." : "it is JPEG-LS, not JPEG.");
  }
  check_size(info.rows, info.columns, info.components, info.precision);
  const std::size_t width = size_of(layout_.type());
  const std::size_t decoded = info.precision > 8 ? 2 : 1;
  const auto count = static_cast<std::size_t>(layout_.values_per_frame());
  if (decoded != width) samples_.resize(count * decoded);
  std::byte* to = decoded == width ? out : samples_.data();
  jpeg_ls ? decode_jpeg_ls(frame, info, to) : decode_jpeg(frame, info, to);
  if (decoded != width) {
    std::memset(out, 0, count * width);
    for (std::size_t i = 0; i < count; ++i) std::memcpy(out + i * width, to + i * decoded, decoded);
  }
  clean_jpeg(info, out);
  if (jpeg_is_ybr(info)) to_rgb(out);
}

void FrameDecoder::clean_jpeg(const JpegInfo& info, std::byte* out) const {
  if (!info.is_lossless() && !layout_.is_signed) {
    clip(out);
  } else if (info.is_jpeg_ls() && layout_.is_signed) {
    // JPEG-LS knows no sign: it stands in the highest bit of its own precision.
    clean_bits(out, layout_.values_per_frame(), layout_.type(), info.precision, info.precision - 1);
  } else {
    clean(out,
          info.precision == layout_.bits_allocated ? layout_.high_bit : layout_.bits_stored - 1);
  }
}

template <typename T>
void FrameDecoder::store_jpeg2000(const Jpeg2000Info& info, T* out) const {
  const bool reinterpret = info.precision < 32 && info.is_signed != layout_.is_signed;
  const int shift = 32 - info.precision;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::uint32_t bits = static_cast<std::uint32_t>(values_[i]);
    if (reinterpret && layout_.is_signed) {
      bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(bits << shift) >> shift);
    } else if (reinterpret) {
      bits = bits << shift >> shift;
    }
    out[i] = static_cast<T>(bits);
  }
}

void FrameDecoder::jpeg2000(const std::vector<std::byte>& frame, std::byte* out) {
  const Jpeg2000Info info = check_jpeg2000(frame);
  check_size(info.rows, info.columns, info.components, info.precision);
  if (!info.uniform) throw CodecError("its JPEG 2000 components differ in size or precision.");
  if (info.is_signed != layout_.is_signed && layout_.bits_allocated > 1) {
    warnings_.insert(fmt::format(
        "The JPEG 2000 data are {} but PixelRepresentation says {}; it was followed.",
        info.is_signed ? "signed" : "unsigned", layout_.is_signed ? "signed" : "unsigned"));
  }
  if (info.precision != layout_.bits_stored) {
    warnings_.insert(fmt::format("The JPEG 2000 data have {} bits where BitsStored says {}.",
                                 info.precision, layout_.bits_stored));
  }
  values_.resize(static_cast<std::size_t>(layout_.values_per_frame()));
  decode_jpeg2000(frame, info, values_.data());
  switch (size_of(layout_.type())) {
    case 1:
      store_jpeg2000(info, reinterpret_cast<std::uint8_t*>(out));
      break;
    case 2:
      store_jpeg2000(info, reinterpret_cast<std::uint16_t*>(out));
      break;
    default:
      store_jpeg2000(info, reinterpret_cast<std::uint32_t*>(out));
  }
  if (stored_as_ybr()) to_rgb(out);
}

}  // namespace

void decode_frames(ParsedFile& file, const PixelLayout& layout, std::byte* out) {
  const EncapsulatedPixels frames(file, *layout.element, layout.frames);
  FrameDecoder decoder(layout, file.syntax);
  const std::size_t out_bytes =
      static_cast<std::size_t>(layout.values_per_frame()) * size_of(layout.type());
  std::vector<std::byte> frame;
  for (std::int64_t i = 0; i < layout.frames; ++i) {
    frames.read(i, frame);
    try {
      decoder.decode(frame, out + static_cast<std::size_t>(i) * out_bytes);
    } catch (const CodecError& error) {
      file.source->fail(fmt::format("frame {} cannot be decoded: {}", i + 1, error.what()));
    }
  }
  file.warnings.insert(file.warnings.end(), decoder.warnings().begin(), decoder.warnings().end());
}

}  // namespace salus::io::dicom
