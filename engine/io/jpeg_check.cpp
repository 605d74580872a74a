#include "engine/io/jpeg_check.h"

#include <fmt/format.h>

#include <cstring>

namespace salus::io {
namespace {

constexpr int kMaxScans = 200;

int byte_at(std::span<const std::byte> stream, std::size_t i) {
  return std::to_integer<int>(stream[i]);
}

int word_at(std::span<const std::byte> stream, std::size_t i) {
  return byte_at(stream, i) << 8 | byte_at(stream, i + 1);
}

bool is_frame_marker(int marker) {
  const bool t81 = marker >= 0xC0 && marker <= 0xCF;
  return (t81 && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) || marker == 0xF7;
}

bool stands_alone(int marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8); }

void read_frame_header(std::span<const std::byte> segment, int marker, JpegInfo& info) {
  if (info.frame_marker != 0) throw CodecError("it has two frame headers.");
  if (marker != 0xF7 && marker > 0xC3) {
    throw CodecError(fmt::format(
        "it uses {} (marker FF{:02X}), which Salus does not decode.",
        marker >= 0xC9 && marker != 0xCD ? "arithmetic coding" : "a hierarchical process", marker));
  }
  if (segment.size() < 6) throw CodecError("its frame header is too short.");
  info.frame_marker = marker;
  info.precision = byte_at(segment, 0);
  info.rows = word_at(segment, 1);
  info.columns = word_at(segment, 3);
  info.components = byte_at(segment, 5);
  if (info.components < 1 || info.components > 4 ||
      segment.size() < 6 + 3 * static_cast<std::size_t>(info.components)) {
    throw CodecError(fmt::format("it claims {} components.", info.components));
  }
  for (int i = 0; i < info.components; ++i) {
    const std::size_t at = 6 + 3 * static_cast<std::size_t>(i);
    info.component_ids[i] = static_cast<std::uint8_t>(byte_at(segment, at));
    const int sampling = byte_at(segment, at + 1);
    info.subsampled = info.subsampled || sampling != byte_at(segment, 7);
    const int h = sampling >> 4, v = sampling & 15;
    if (h < 1 || h > 4 || v < 1 || v > 4) throw CodecError("its sampling factors are not 1 to 4.");
  }
}

void read_application_marker(std::span<const std::byte> segment, int marker, JpegInfo& info) {
  if (marker == 0xE0 && segment.size() >= 4 && std::memcmp(segment.data(), "JFIF", 4) == 0) {
    info.has_jfif = true;
  }
  if (marker == 0xEE && segment.size() >= 12 && std::memcmp(segment.data(), "Adobe", 5) == 0) {
    info.adobe_transform = byte_at(segment, 11);
  }
}

/// NEAR and the interleave mode stand in the scan header (T.87 C.2.3).
void read_scan_header(std::span<const std::byte> segment, JpegInfo& info) {
  if (info.frame_marker == 0) throw CodecError("a scan comes before the frame header.");
  const int components = segment.empty() ? 0 : byte_at(segment, 0);
  if (components < 1 || components > 4 ||
      segment.size() < 4 + 2 * static_cast<std::size_t>(components)) {
    throw CodecError("its scan header is too short.");
  }
  const std::size_t at = 1 + 2 * static_cast<std::size_t>(components);
  const bool sequential = info.frame_marker == 0xC0 || info.frame_marker == 0xC1;
  if (sequential && (word_at(segment, at) != 63 || byte_at(segment, at + 2) != 0)) ++info.odd_scans;
  if (info.is_jpeg_ls()) info.near = byte_at(segment, at);
}

/// First position at or after `at` of a marker that ends entropy-coded data.
std::size_t skip_entropy_coded(std::span<const std::byte> stream, std::size_t at, bool jpeg_ls) {
  while (at + 1 < stream.size()) {
    const void* found = std::memchr(stream.data() + at, 0xFF, stream.size() - at - 1);
    if (!found) break;
    at = static_cast<std::size_t>(static_cast<const std::byte*>(found) - stream.data());
    const int next = byte_at(stream, at + 1);
    const bool data = jpeg_ls ? next < 0x80 : next == 0;
    const bool restart = next >= 0xD0 && next <= 0xD7;
    if (next == 0xFF) {
      ++at;
    } else if (data || restart) {
      at += 2;
    } else {
      return at;
    }
  }
  return stream.size();
}

}  // namespace

JpegInfo check_jpeg(std::span<const std::byte> stream) {
  if (stream.size() < 4 || word_at(stream, 0) != 0xFFD8) {
    throw CodecError("it does not begin with a JPEG start marker.");
  }
  JpegInfo info;
  int scans = 0;
  for (std::size_t at = 2; at + 1 < stream.size();) {
    if (byte_at(stream, at) != 0xFF) throw CodecError("there are bytes between its markers.");
    const int marker = byte_at(stream, at + 1);
    if (marker == 0xFF || stands_alone(marker)) {
      at += marker == 0xFF ? 1 : 2;
      continue;
    }
    if (marker == 0xD9) {
      info.ends = true;
      break;
    }
    const std::size_t length = at + 3 < stream.size() ? word_at(stream, at + 2) : 0;
    if (length < 2 || length > stream.size() - at - 2) {
      throw CodecError(
          fmt::format("segment FF{:02X} at byte {} has the length {} where {} bytes "
                      "are left.",
                      marker, at, length, stream.size() - at - 2));
    }
    const auto segment = stream.subspan(at + 4, length - 2);
    at += 2 + length;
    if (is_frame_marker(marker)) read_frame_header(segment, marker, info);
    if (marker >= 0xE0 && marker <= 0xEF) read_application_marker(segment, marker, info);
    if (marker == 0xF8 && !segment.empty() && segment[0] == std::byte{1}) info.has_presets = true;
    if (marker == 0xDA) {
      read_scan_header(segment, info);
      if (++scans > kMaxScans)
        throw CodecError(fmt::format("it has more than {} scans.", kMaxScans));
      at = skip_entropy_coded(stream, at, info.is_jpeg_ls());
    }
  }
  if (info.frame_marker == 0) throw CodecError("it has no frame header.");
  if (scans == 0) throw CodecError("it ends before its first scan.");
  return info;
}

}  // namespace salus::io
