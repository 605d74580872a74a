#include "engine/report/png.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "engine/io/error.h"

namespace salus::report {
namespace {

void check(const Picture& p) {
  const auto values = std::size_t(std::max(p.rows, 0)) * std::size_t(std::max(p.columns, 0)) *
                      std::size_t(std::max(p.samples, 0));
  if (values > 0 && (p.samples == 1 || p.samples == 3) && p.pixels.size() == values) return;
  throw Error(fmt::format("A picture of {} x {} pixels with {} samples cannot hold {} values.",
                          p.rows, p.columns, p.samples, p.pixels.size()));
}

void put32(std::vector<std::byte>& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(v >> shift));
}

void put_chunk(std::vector<std::byte>& out, const char* type, std::span<const std::byte> data) {
  put32(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(type[i]));
  out.insert(out.end(), data.begin(), data.end());
  put32(out, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(out.data() + begin),
                                              static_cast<uInt>(out.size() - begin))));
}

/// Rows with filter "up" (each value minus the one above), deflated.
std::vector<std::byte> compress_rows(const Picture& p) {
  const std::size_t stride = std::size_t(p.columns) * std::size_t(p.samples);
  std::vector<std::uint8_t> filtered;
  filtered.reserve((stride + 1) * std::size_t(p.rows));
  for (std::size_t r = 0; r < std::size_t(p.rows); ++r) {
    filtered.push_back(2);
    const std::uint8_t* row = p.pixels.data() + r * stride;
    for (std::size_t i = 0; i < stride; ++i) {
      filtered.push_back(static_cast<std::uint8_t>(row[i] - (r > 0 ? row[i - stride] : 0)));
    }
  }
  uLongf size = compressBound(filtered.size());
  std::vector<std::byte> out(size);
  const int status = compress2(reinterpret_cast<Bytef*>(out.data()), &size, filtered.data(),
                               filtered.size(), Z_BEST_COMPRESSION);
  if (status != Z_OK) throw Error("A picture could not be compressed: not enough memory.");
  out.resize(size);
  return out;
}

/// Mean of the source box of one pixel of the smaller picture, in whole source pixels.
std::uint8_t box_mean(const Picture& p, int r0, int r1, int c0, int c1, int sample) {
  std::uint64_t sum = 0;
  for (int r = r0; r < r1; ++r) {
    for (int c = c0; c < c1; ++c) {
      sum += p.pixels[(std::size_t(r) * p.columns + c) * p.samples + sample];
    }
  }
  const std::uint64_t n = std::uint64_t(r1 - r0) * std::uint64_t(c1 - c0);
  return static_cast<std::uint8_t>((sum + n / 2) / n);
}

}  // namespace

std::vector<std::byte> encode_png(const Picture& picture) {
  check(picture);
  static constexpr unsigned char kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  std::vector<std::byte> out(sizeof kSignature);
  std::memcpy(out.data(), kSignature, sizeof kSignature);
  std::vector<std::byte> header;
  put32(header, static_cast<std::uint32_t>(picture.columns));
  put32(header, static_cast<std::uint32_t>(picture.rows));
  const int color = picture.samples == 1 ? 0 : 2;
  for (const int v : {8, color, 0, 0, 0}) header.push_back(static_cast<std::byte>(v));
  put_chunk(out, "IHDR", header);
  put_chunk(out, "IDAT", compress_rows(picture));
  put_chunk(out, "IEND", {});
  return out;
}

Picture thumbnail(const Picture& picture, int side) {
  check(picture);
  if (side < 1) throw Error("A thumbnail needs a side of at least one pixel.");
  const int longest = std::max(picture.rows, picture.columns);
  const int up = std::max(side / longest, 1);
  const double scale = longest > side ? double(side) / longest : up;
  Picture small{std::max(1, int(picture.rows * scale)),
                std::max(1, int(picture.columns * scale)),
                picture.samples,
                {}};
  const auto edge = [](int i, int to, int from) { return int(std::int64_t(i) * from / to); };
  for (int r = 0; r < small.rows; ++r) {
    const int r0 = edge(r, small.rows, picture.rows);
    const int r1 = std::max(edge(r + 1, small.rows, picture.rows), r0 + 1);
    for (int c = 0; c < small.columns; ++c) {
      const int c0 = edge(c, small.columns, picture.columns);
      const int c1 = std::max(edge(c + 1, small.columns, picture.columns), c0 + 1);
      for (int s = 0; s < picture.samples; ++s) {
        small.pixels.push_back(box_mean(picture, r0, r1, c0, c1, s));
      }
    }
  }
  return small;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < n ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= n ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string png_data_uri(std::span<const std::byte> png) {
  return "data:image/png;base64," + base64(png);
}

}  // namespace salus::report
