#include "engine/io/wfdb_formats.h"

#include <algorithm>
#include <limits>

#include "engine/io/numbers.h"

namespace salus::io {
namespace {

constexpr std::int64_t kNoMarker = std::numeric_limits<std::int64_t>::min();

constexpr std::array<WfdbFormat, 10> kFormats = {{
    {8, 1, {0, 1}, kNoMarker},  // first differences
    {16, 1, {0, 2}, -(1 << 15)},
    {24, 1, {0, 3}, -(1 << 23)},
    {32, 1, {0, 4}, std::numeric_limits<std::int32_t>::min()},
    {61, 1, {0, 2}, -(1 << 15)},   // 16, most significant byte first
    {80, 1, {0, 1}, -(1 << 7)},    // offset binary
    {160, 1, {0, 2}, -(1 << 15)},  // offset binary
    {212, 2, {0, 2, 3}, -(1 << 11)},
    {310, 3, {0, 2, 4, 4}, -(1 << 9)},
    {311, 3, {0, 2, 3, 4}, -(1 << 9)},
}};

/// The signed value of the lowest `bits` bits.
std::int32_t sign_extend(std::uint32_t value, int bits) {
  const std::uint32_t sign = 1U << (bits - 1);
  value &= (sign << 1) - 1;
  return static_cast<std::int32_t>((value ^ sign) - sign);
}

/// Reads values by their number from packed bytes.
struct Packed {
  std::span<const std::byte> bytes;

  std::uint32_t byte(std::size_t at) const { return std::to_integer<std::uint32_t>(bytes[at]); }
  std::uint32_t word(std::size_t at) const { return byte(at) | byte(at + 1) << 8; }

  std::int32_t of_24_bits(std::size_t i) const {
    return sign_extend(word(3 * i) | byte(3 * i + 2) << 16, 24);
  }
  std::int32_t of_32_bits(std::size_t i) const {
    return static_cast<std::int32_t>(load_le<std::uint32_t>(bytes, 4 * i));
  }
  /// The first of a pair is the first byte and the low half of the second, the other the third byte
  /// and the high half of the second.
  std::int32_t of_212(std::size_t i) const {
    const std::size_t at = i / 2 * 3;
    if (i % 2 == 0) return sign_extend(word(at), 12);
    return sign_extend(byte(at + 2) | (byte(at + 1) & 0xf0) << 4, 12);
  }
  /// Two words, each of which has a value in bits 1 to 10; the five bits above are the low and the
  /// high half of the third.
  std::int32_t of_310(std::size_t i) const {
    const std::size_t at = i / 3 * 4;
    if (i % 3 < 2) return sign_extend(word(at + i % 3 * 2) >> 1, 10);
    return sign_extend(word(at) >> 11 | word(at + 2) >> 11 << 5, 10);
  }
  /// Bits 0 to 9, 10 to 19 and 20 to 29 of four bytes, of which a last group may lack some.
  std::int32_t of_311(std::size_t i) const {
    const std::size_t at = i / 3 * 4 + i % 3;
    return sign_extend(word(at) >> i % 3 * 2, 10);
  }
};

template <typename Value>
void fill(std::span<std::int32_t> out, Value value) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = value(i);
}

}  // namespace

std::int64_t WfdbFormat::packed_bytes(std::int64_t count) const {
  return count / values * bytes[static_cast<std::size_t>(values)] +
         bytes[static_cast<std::size_t>(count % values)];
}

std::int64_t WfdbFormat::packed_values(std::int64_t count) const {
  const int group = bytes[static_cast<std::size_t>(values)];
  std::int64_t more = 0;
  while (more + 1 < values && bytes[static_cast<std::size_t>(more) + 1] <= count % group) ++more;
  return count / group * values + more;
}

const WfdbFormat* find_wfdb_format(int number) {
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(), [number](const auto& format) {
    return format.number == number;
  });
  return found == kFormats.end() ? nullptr : found;
}

void unpack_wfdb(const WfdbFormat& format, std::span<const std::byte> bytes,
                 std::span<std::int32_t> out) {
  const Packed packed{bytes};
  switch (format.number) {
    case 8:
      return fill(out, [&](std::size_t i) { return sign_extend(packed.byte(i), 8); });
    case 16:
      return fill(out, [&](std::size_t i) { return sign_extend(packed.word(2 * i), 16); });
    case 24:
      return fill(out, [&](std::size_t i) { return packed.of_24_bits(i); });
    case 32:
      return fill(out, [&](std::size_t i) { return packed.of_32_bits(i); });
    case 61:
      return fill(out, [&](std::size_t i) {
        return sign_extend(packed.byte(2 * i) << 8 | packed.byte(2 * i + 1), 16);
      });
    case 80:
      return fill(out, [&](std::size_t i) { return static_cast<int>(packed.byte(i)) - (1 << 7); });
    case 160:
      return fill(out,
                  [&](std::size_t i) { return static_cast<int>(packed.word(2 * i)) - (1 << 15); });
    case 212:
      return fill(out, [&](std::size_t i) { return packed.of_212(i); });
    case 310:
      return fill(out, [&](std::size_t i) { return packed.of_310(i); });
    default:
      return fill(out, [&](std::size_t i) { return packed.of_311(i); });
  }
}

}  // namespace salus::io
