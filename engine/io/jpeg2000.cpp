#include "engine/io/jpeg2000.h"

#include <fmt/format.h>
#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace salus::io {
namespace {

constexpr unsigned char kJp2Signature[12] = {0, 0, 0, 12, 'j', 'P', ' ', ' ', 13, 10, 0x87, 10};

std::uint64_t big(std::span<const std::byte> s, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(s[at + i]);
  return value;
}

bool is_jp2(std::span<const std::byte> s) {
  return s.size() >= sizeof kJp2Signature &&
         std::memcmp(s.data(), kJp2Signature, sizeof kJp2Signature) == 0;
}

/// The codestream inside the boxes of a JP2 file (T.800 annex I).
std::span<const std::byte> codestream(std::span<const std::byte> s) {
  if (!is_jp2(s)) return s;
  for (std::size_t at = 0; s.size() - at >= 8;) {
    std::uint64_t length = big(s, at, 4);
    const bool found = std::memcmp(s.data() + at + 4, "jp2c", 4) == 0;
    std::size_t header = 8;
    if (length == 1 && s.size() - at >= 16) {
      length = big(s, at + 8, 8);
      header = 16;
    }
    if (length == 0) length = s.size() - at;
    if (length < header || length > s.size() - at) break;
    if (found) return s.subspan(at + header, length - header);
    at += length;
  }
  throw CodecError("its JP2 boxes hold no codestream.");
}

/// OpenJPEG's view of a span.
struct Reader {
  std::span<const std::byte> bytes;
  std::size_t at = 0;

  static OPJ_SIZE_T read(void* buffer, OPJ_SIZE_T count, void* self) {
    auto* reader = static_cast<Reader*>(self);
    const std::size_t n = std::min<std::size_t>(count, reader->bytes.size() - reader->at);
    if (n == 0) return static_cast<OPJ_SIZE_T>(-1);
    std::memcpy(buffer, reader->bytes.data() + reader->at, n);
    reader->at += n;
    return n;
  }
  static OPJ_OFF_T skip(OPJ_OFF_T count, void* self) {
    auto* reader = static_cast<Reader*>(self);
    if (count < 0) return -1;
    const auto left = static_cast<OPJ_OFF_T>(reader->bytes.size() - reader->at);
    const OPJ_OFF_T n = std::min(count, left);
    reader->at += static_cast<std::size_t>(n);
    return n;
  }
  static OPJ_BOOL seek(OPJ_OFF_T position, void* self) {
    auto* reader = static_cast<Reader*>(self);
    if (position < 0 || static_cast<std::uint64_t>(position) > reader->bytes.size()) {
      return OPJ_FALSE;
    }
    reader->at = static_cast<std::size_t>(position);
    return OPJ_TRUE;
  }
};

struct StreamDelete {
  void operator()(opj_stream_t* s) const { opj_stream_destroy(s); }
};
struct CodecDelete {
  void operator()(opj_codec_t* c) const { opj_destroy_codec(c); }
};
struct ImageDelete {
  void operator()(opj_image_t* i) const { opj_image_destroy(i); }
};
using Stream = std::unique_ptr<opj_stream_t, StreamDelete>;
using Codec = std::unique_ptr<opj_codec_t, CodecDelete>;
using DecodedImage = std::unique_ptr<opj_image_t, ImageDelete>;

Stream make_stream(Reader& reader) {
  Stream stream(opj_stream_create(std::max<std::size_t>(reader.bytes.size(), 1), OPJ_TRUE));
  if (!stream) throw CodecError("OpenJPEG could not open it.");
  opj_stream_set_user_data(stream.get(), &reader, nullptr);
  opj_stream_set_user_data_length(stream.get(), reader.bytes.size());
  opj_stream_set_read_function(stream.get(), &Reader::read);
  opj_stream_set_skip_function(stream.get(), &Reader::skip);
  opj_stream_set_seek_function(stream.get(), &Reader::seek);
  return stream;
}

void interleave(const opj_image_t& image, const Jpeg2000Info& info, std::int32_t* out) {
  const auto count = static_cast<std::size_t>(info.rows * info.columns);
  const auto components = static_cast<std::size_t>(info.components);
  for (std::size_t c = 0; c < components; ++c) {
    const opj_image_comp_t& part = image.comps[c];
    if (!part.data || part.w != info.columns || part.h != info.rows) {
      throw CodecError("OpenJPEG decoded another size than its header says.");
    }
    if (components == 1) {
      std::memcpy(out, part.data, count * sizeof(std::int32_t));
      return;
    }
    for (std::size_t i = 0; i < count; ++i) out[i * components + c] = part.data[i];
  }
}

}  // namespace

Jpeg2000Info check_jpeg2000(std::span<const std::byte> stream) {
  const auto s = codestream(stream);
  if (s.size() < 42 || big(s, 0, 4) != 0xFF4FFF51) {
    throw CodecError("it does not begin with a JPEG 2000 codestream.");
  }
  const std::uint64_t length = big(s, 4, 2);
  const std::uint64_t x1 = big(s, 8, 4), y1 = big(s, 12, 4), x0 = big(s, 16, 4), y0 = big(s, 20, 4);
  const std::uint64_t tile_w = big(s, 24, 4), tile_h = big(s, 28, 4), tile_x = big(s, 32, 4),
                      tile_y = big(s, 36, 4);
  const std::uint64_t components = big(s, 40, 2);
  if (components < 1 || components > 4 || length != 38 + 3 * components || s.size() < 4 + length) {
    throw CodecError(fmt::format("its SIZ marker claims {} components.", components));
  }
  if (x1 <= x0 || y1 <= y0 || tile_w == 0 || tile_h == 0 || tile_x > x0 || tile_y > y0) {
    throw CodecError("the sizes in its SIZ marker are impossible.");
  }
  Jpeg2000Info info;
  info.columns = static_cast<std::int64_t>(x1 - x0);
  info.rows = static_cast<std::int64_t>(y1 - y0);
  info.components = static_cast<int>(components);
  const std::uint64_t across = (x1 - tile_x + tile_w - 1) / tile_w;
  const std::uint64_t down = (y1 - tile_y + tile_h - 1) / tile_h;
  // OpenJPEG keeps kilobytes per tile: refuse more tiles than 16 x 16 pixels would need.
  const std::uint64_t most = 64 + (x1 - x0) * (y1 - y0) / 256;
  if (across > most || down > most || across * down > most) {
    throw CodecError(fmt::format("it claims {} x {} tiles.", across, down));
  }
  info.tiles = static_cast<std::int64_t>(across * down);
  const std::uint64_t first = big(s, 42, 1);
  info.precision = static_cast<int>(first & 0x7F) + 1;
  info.is_signed = (first & 0x80) != 0;
  for (std::uint64_t c = 0; c < components; ++c) {
    if (big(s, 42 + 3 * c, 1) != first || big(s, 43 + 3 * c, 2) != 0x0101) info.uniform = false;
  }
  return info;
}

void decode_jpeg2000(std::span<const std::byte> stream, const Jpeg2000Info& info,
                     std::int32_t* out) {
  Reader reader{codestream(stream)};
  Codec codec(opj_create_decompress(OPJ_CODEC_J2K));
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (!codec || !opj_setup_decoder(codec.get(), &parameters)) {
    throw CodecError("OpenJPEG could not be started.");
  }
  opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE);
  const Stream source = make_stream(reader);
  opj_image_t* raw = nullptr;
  const bool header = opj_read_header(source.get(), codec.get(), &raw);
  const DecodedImage image(raw);
  if (!header || !image) throw CodecError("its JPEG 2000 header is damaged.");
  if (image->numcomps != static_cast<OPJ_UINT32>(info.components)) {
    throw CodecError("its JPEG 2000 headers contradict each other.");
  }
  if (!opj_decode(codec.get(), source.get(), image.get())) {
    throw CodecError("its JPEG 2000 data are damaged or end too early.");
  }
  interleave(*image, info, out);
}

}  // namespace salus::io
