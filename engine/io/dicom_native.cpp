#include "engine/io/dicom_native.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace salus::io::dicom {
namespace {

/// Applies `f` to every value in blocks of a fixed size, which is what lets -O2 vectorise it.
template <typename T, typename F>
void transform_values(T* values, std::int64_t count, F f) {
  constexpr std::int64_t kBlock = 64;
  std::int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    for (std::int64_t j = 0; j < kBlock; ++j) values[i + j] = f(values[i + j]);
  }
  for (; i < count; ++i) values[i] = f(values[i]);
}

template <typename T>
void clean_values(T* values, std::int64_t count, int bits, int high_bit) {
  using Unsigned = std::make_unsigned_t<T>;
  constexpr int kWidth = 8 * sizeof(T);
  if (bits >= kWidth) return;
  if constexpr (std::is_signed_v<T>) {
    const int left = kWidth - 1 - high_bit, right = kWidth - bits;
    transform_values(values, count, [left, right](T v) {
      return static_cast<T>(static_cast<T>(static_cast<Unsigned>(v) << left) >> right);
    });
  } else {
    const int shift = high_bit + 1 - bits;
    const auto mask = static_cast<T>((Unsigned{1} << bits) - 1);
    if (shift == 0) {
      transform_values(values, count, [mask](T v) { return static_cast<T>(v & mask); });
    } else {
      transform_values(values, count,
                       [mask, shift](T v) { return static_cast<T>((v >> shift) & mask); });
    }
  }
}

template <typename T>
void swap_values(std::byte* bytes, std::int64_t count) {
  T* values = reinterpret_cast<T*>(bytes);
  transform_values(values, count, [](T v) {
    if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(v));
    if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(v));
    if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(v));
  });
}

void swap_bytes(std::byte* bytes, std::uint64_t size, int width) {
  const auto count = static_cast<std::int64_t>(size / static_cast<unsigned>(width));
  if (width == 2) swap_values<std::uint16_t>(bytes, count);
  if (width == 4) swap_values<std::uint32_t>(bytes, count);
  if (width == 8) swap_values<std::uint64_t>(bytes, count);
}

/// Values of `bits` bits packed without gaps, least significant bit first (PS3.5 8.1.1).
template <typename T>
void unpack_bits(const std::byte* raw, std::int64_t count, int bits, T* out) {
  std::uint64_t pending = 0;
  int available = 0;
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  for (std::int64_t i = 0; i < count; ++i) {
    while (available < bits) {
      pending |= std::to_integer<std::uint64_t>(*raw++) << available;
      available += 8;
    }
    out[i] = static_cast<T>(pending & mask);
    pending >>= bits;
    available -= bits;
  }
}

void unpack_values(const std::byte* raw, std::int64_t count, int bits, std::byte* out) {
  if (bits <= 8)
    unpack_bits(raw, count, bits, reinterpret_cast<std::uint8_t*>(out));
  else if (bits <= 16)
    unpack_bits(raw, count, bits, reinterpret_cast<std::uint16_t*>(out));
  else
    unpack_bits(raw, count, bits, reinterpret_cast<std::uint32_t*>(out));
}

template <typename T>
void interleave_planes(const T* planes, std::int64_t pixels, T* out) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t s = 0; s < 3; ++s) out[3 * i + s] = planes[s * pixels + i];
  }
}

/// Y1 Y2 Cb Cr to Y1 Cb Cr, Y2 Cb Cr (PS3.3 C.7.6.3.1.2).
template <typename T>
void repeat_chroma(const T* in, std::int64_t pixels, T* out) {
  for (std::int64_t i = 0; i < pixels / 2; ++i, in += 4, out += 6) {
    out[0] = in[0], out[3] = in[1];
    out[1] = out[4] = in[2];
    out[2] = out[5] = in[3];
  }
}

template <typename T>
void rearrange(const std::byte* raw, const PixelLayout& layout, std::byte* out) {
  const T* in = reinterpret_cast<const T*>(raw);
  T* to = reinterpret_cast<T*>(out);
  if (layout.is_422()) {
    repeat_chroma(in, layout.pixels_per_frame(), to);
  } else if (layout.planar) {
    interleave_planes(in, layout.pixels_per_frame(), to);
  } else {
    std::memcpy(to, in, static_cast<std::size_t>(layout.values_per_frame()) * sizeof(T));
  }
}

bool whole_bytes(const PixelLayout& layout) {
  return layout.bits_allocated == 8 * static_cast<int>(size_of(layout.type()));
}

bool pixels_are_big_endian(const ParsedFile& file) {
  return file.syntax.big_endian || file.syntax.big_endian_pixels;
}

/// 8-bit (or packed) values in big-endian 16-bit words; GE's private syntax leaves those alone.
bool swaps_words(const ParsedFile& file, const PixelLayout& layout) {
  return file.syntax.big_endian && layout.element->vr == vr_code("OW") &&
         (layout.bits_allocated == 8 || !whole_bytes(layout));
}

}  // namespace

std::uint64_t check_native_size(ParsedFile& file, const PixelLayout& layout) {
  const Element& element = *layout.element;
  ByteSource& source = *file.source;
  const auto bits = static_cast<std::uint64_t>(layout.native_bits_per_frame()) *
                    static_cast<std::uint64_t>(layout.frames);
  const std::uint64_t needed = (bits + 7) / 8;
  const std::uint64_t left = source.size() - element.offset;
  const std::uint64_t there = std::min(element.length, left);
  if (there < needed) {
    source.fail(fmt::format(
        "{} has {} bytes{}, but {} frames of {} x {} pixels with {} x {} bits "
        "need {}: the file is truncated or its header is wrong.",
        tag_name(element.tag), there,
        element.length > left ? fmt::format(" of the {} that it claims", element.length) : "",
        layout.frames, layout.rows, layout.columns, layout.samples, layout.bits_allocated, needed));
  }
  if (element.length > left) {
    file.warnings.push_back(
        fmt::format("{} claims {} bytes where {} are left; all pixels are there.",
                    tag_name(element.tag), element.length, left));
  } else if (element.length > needed + 1) {
    file.warnings.push_back(
        fmt::format("{} has {} bytes more than the pixels need; they were "
                    "ignored.",
                    tag_name(element.tag), element.length - needed));
  }
  return needed;
}

void clean_bits(std::byte* values, std::int64_t count, PixelType type, int bits, int high_bit) {
  switch (type) {
    case PixelType::kU8:
      return clean_values(reinterpret_cast<std::uint8_t*>(values), count, bits, high_bit);
    case PixelType::kI8:
      return clean_values(reinterpret_cast<std::int8_t*>(values), count, bits, high_bit);
    case PixelType::kU16:
      return clean_values(reinterpret_cast<std::uint16_t*>(values), count, bits, high_bit);
    case PixelType::kI16:
      return clean_values(reinterpret_cast<std::int16_t*>(values), count, bits, high_bit);
    case PixelType::kU32:
      return clean_values(reinterpret_cast<std::uint32_t*>(values), count, bits, high_bit);
    case PixelType::kI32:
      return clean_values(reinterpret_cast<std::int32_t*>(values), count, bits, high_bit);
    case PixelType::kF32:
    case PixelType::kF64:
      return;
  }
}

void unpack_frame(std::span<const std::byte> raw, const PixelLayout& layout, std::byte* out) {
  if (!whole_bytes(layout)) {
    if (!layout.planar && !layout.is_422()) {
      return unpack_values(raw.data(), layout.values_per_frame(), layout.bits_allocated, out);
    }
    std::vector<std::byte> values(static_cast<std::size_t>(layout.values_per_frame()) *
                                  size_of(layout.type()));
    const std::int64_t count = layout.native_bits_per_frame() / layout.bits_allocated;
    unpack_values(raw.data(), count, layout.bits_allocated, values.data());
    PixelLayout widened = layout;
    widened.bits_allocated = 8 * static_cast<int>(size_of(layout.type()));
    return unpack_frame(values, widened, out);
  }
  switch (size_of(layout.type())) {
    case 1:
      return rearrange<std::uint8_t>(raw.data(), layout, out);
    case 2:
      return rearrange<std::uint16_t>(raw.data(), layout, out);
    case 4:
      return rearrange<std::uint32_t>(raw.data(), layout, out);
    default:
      return rearrange<std::uint64_t>(raw.data(), layout, out);
  }
}

void read_native(ParsedFile& file, const PixelLayout& layout, std::byte* out) {
  ByteSource& source = *file.source;
  const std::uint64_t needed = check_native_size(file, layout);
  const int width = static_cast<int>(size_of(layout.type()));
  const std::int64_t count = layout.frames * layout.values_per_frame();
  const bool big_endian = pixels_are_big_endian(file);
  if (big_endian && layout.bits_allocated % 8 == 0 && !whole_bytes(layout)) {
    source.fail(fmt::format("big-endian pixels of {} bits are not read.", layout.bits_allocated));
  }
  const bool words = swaps_words(file, layout);
  if (whole_bytes(layout) && !layout.planar && !layout.is_422() && !words) {
    source.read(layout.element->offset, out, needed);
    if (big_endian) swap_bytes(out, needed, width);
  } else {
    // The last word may hold a byte of padding that a swap needs.
    const std::uint64_t room =
        std::min(layout.element->length, source.size() - layout.element->offset);
    std::vector<std::byte> raw(std::min(needed + (needed & 1), room));
    source.read(layout.element->offset, raw.data(), raw.size());
    if (words) swap_bytes(raw.data(), raw.size(), 2);
    if (big_endian && whole_bytes(layout)) swap_bytes(raw.data(), raw.size(), width);
    if (!whole_bytes(layout) && !layout.planar && !layout.is_422()) {
      unpack_values(raw.data(), count, layout.bits_allocated, out);  // frames are not byte-aligned
    } else {
      const auto frame_bytes = static_cast<std::size_t>(layout.native_bits_per_frame() / 8);
      const std::size_t out_bytes =
          static_cast<std::size_t>(layout.values_per_frame()) * static_cast<std::size_t>(width);
      for (std::int64_t f = 0; f < layout.frames; ++f) {
        unpack_frame(std::span(raw).subspan(f * frame_bytes, frame_bytes), layout,
                     out + f * out_bytes);
      }
    }
  }
  clean_bits(out, count, layout.type(), layout.bits_stored, layout.high_bit);
}

}  // namespace salus::io::dicom
