#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/io/dicom_codecs.h"
#include "engine/io/dicom_native.h"

// DCMTK has an RLE decoder too, but it wants a whole data set and one segment per allocated byte of
// at most 16 bits; these 60 lines also read 32-bit and 1-bit frames and check every byte.

namespace salus::io::dicom {
namespace {

constexpr std::size_t kHeader = 64;
constexpr int kMaxSegments = 15;

/// PackBits, each byte `step` after the one before. Returns how many were written.
std::int64_t unpack_segment(std::span<const std::byte> in, std::byte* out, std::int64_t count,
                            std::size_t step) {
  std::int64_t done = 0;
  for (std::size_t at = 0; at < in.size() && done < count;) {
    const auto control = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(in[at++]));
    if (control >= 0) {
      const auto run = std::min<std::int64_t>(
          {control + 1, count - done, static_cast<std::int64_t>(in.size() - at)});
      for (std::int64_t i = 0; i < run; ++i, out += step)
        *out = in[at + static_cast<std::size_t>(i)];
      at += static_cast<std::size_t>(control) + 1;
      done += run;
    } else if (control != -128 && at < in.size()) {
      const std::int64_t run = std::min<std::int64_t>(1 - control, count - done);
      for (std::int64_t i = 0; i < run; ++i, out += step) *out = in[at];
      ++at;
      done += run;
    }
  }
  return done;
}

}  // namespace

void decode_rle(std::span<const std::byte> frame, const PixelLayout& layout, std::byte* out) {
  if (frame.size() < kHeader) throw CodecError("it is shorter than an RLE header.");
  const bool packed = layout.bits_allocated == 1;
  const int sample_bytes = (layout.bits_allocated + 7) / 8;
  const int segments = layout.samples * sample_bytes;
  const auto stated = load_uint(frame.data(), 4, false);
  if (stated != static_cast<std::uint64_t>(segments) || segments > kMaxSegments) {
    throw CodecError(fmt::format("it has {} RLE segments where {} samples of {} bits need {}.",
                                 stated, layout.samples, layout.bits_allocated, segments));
  }
  const std::size_t width = size_of(layout.type());
  const std::size_t step = packed ? 1 : width * static_cast<std::size_t>(layout.samples);
  const std::int64_t count =
      packed ? (layout.values_per_frame() + 7) / 8 : layout.pixels_per_frame();
  std::vector<std::byte> bits(packed ? static_cast<std::size_t>(count) : 0);
  if (!packed && width != static_cast<std::size_t>(sample_bytes)) {
    std::memset(out, 0, static_cast<std::size_t>(layout.values_per_frame()) * width);
  }
  for (int s = 0; s < segments; ++s) {
    const std::uint64_t begin = load_uint(frame.data() + 4 + 4 * s, 4, false);
    const std::uint64_t end =
        s + 1 < segments ? load_uint(frame.data() + 8 + 4 * s, 4, false) : frame.size();
    if (begin < kHeader || begin > end || end > frame.size()) {
      throw CodecError(
          fmt::format("its RLE segment {} lies outside of its {} bytes.", s, frame.size()));
    }
    // Segments hold the most significant byte of a sample first.
    const int sample = s / sample_bytes, byte = sample_bytes - 1 - s % sample_bytes;
    std::byte* to =
        packed ? bits.data()
               : out + static_cast<std::size_t>(sample) * width + static_cast<std::size_t>(byte);
    const std::int64_t done = unpack_segment(frame.subspan(begin, end - begin), to, count, step);
    if (done < count) {
      throw CodecError(
          fmt::format("its RLE segment {} holds {} bytes where {} are needed.", s, done, count));
    }
  }
  if (packed) unpack_frame(bits, layout, out);
}

}  // namespace salus::io::dicom
