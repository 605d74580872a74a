#include "engine/io/wfdb.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/numbers.h"
#include "engine/io/posix.h"
#include "engine/io/wfdb_header.h"

namespace salus::io {
namespace {

/// Bytes of `values` samples.
std::int64_t packed_bytes(int format, std::int64_t values) {
  return format == 16 ? 2 * values : (values * 3 + 1) / 2;
}

/// How many samples `bytes` can hold.
std::int64_t packed_values(int format, std::int64_t bytes) {
  return format == 16 ? bytes / 2 : bytes / 3 * 2 + (bytes % 3 == 2 ? 1 : 0);
}

std::int16_t sign_extend_12(unsigned value) {
  return static_cast<std::int16_t>(static_cast<int>(value ^ 0x800) - 0x800);
}

/// Value i of the packed stream. Format 212: the first of a pair is the first byte and the low half
/// of the second, the other the third byte and the high half of the second.
std::int16_t unpack(std::span<const std::byte> bytes, int format, std::int64_t i) {
  if (format == 16) {
    return static_cast<std::int16_t>(
        load_le<std::uint16_t>(bytes, static_cast<std::size_t>(2 * i)));
  }
  const auto at = static_cast<std::size_t>(i / 2 * 3);
  const auto middle = std::to_integer<unsigned>(bytes[at + 1]);
  if (i % 2 == 0) {
    return sign_extend_12(std::to_integer<unsigned>(bytes[at]) | (middle & 0x0f) << 8);
  }
  return sign_extend_12(std::to_integer<unsigned>(bytes[at + 2]) | (middle & 0xf0) << 4);
}

/// The signals [first, last) of the header, which share one file.
class SignalFile {
 public:
  SignalFile(const std::string& folder, const std::string& origin, WfdbHeader& header,
             std::size_t first, std::size_t last)
      : origin_(origin),
        header_(header),
        first_(first),
        last_(last),
        path_(folder + header.lines[first].signal.file) {}

  void read() {
    const WfdbSignalLine& lead = header_.lines[first_];
    if (lead.signal.file.find('/') != std::string::npos || lead.signal.file == "..") {
      fail(lead, "names a signal file outside of the header's folder");
    }
    for (std::size_t s = first_; s < last_; ++s) {
      if (header_.lines[s].signal.format != lead.signal.format) {
        fail(header_.lines[s], "has another format than the signals of the same file above");
      }
    }
    const InputFile file(path_);
    const std::int64_t bytes = file.size() - lead.byte_offset;
    const auto width = static_cast<std::int64_t>(last_ - first_);
    const std::int64_t there = packed_values(lead.signal.format, std::max<std::int64_t>(bytes, 0));
    if (!header_.has_length) {  // not stated: as long as the file
      header_.record.length = there / width;
      header_.has_length = true;
    }
    const std::int64_t length = header_.record.length;
    if (there / width < length) {
      throw Error(
          fmt::format("{} holds {} samples of each signal, but {} claims {}; the file is "
                      "truncated, fetch it again.",
                      path_, there / width, origin_, length));
    }
    std::vector<std::byte> packed(
        static_cast<std::size_t>(packed_bytes(lead.signal.format, length * width)));
    file.read_at(lead.byte_offset, packed);
    for (std::int64_t s = 0; s < width; ++s) {
      WfdbSignalLine& line = header_.lines[first_ + static_cast<std::size_t>(s)];
      auto& samples = line.signal.samples;
      samples.resize(static_cast<std::size_t>(length));
      for (std::int64_t i = 0; i < length; ++i) {
        samples[static_cast<std::size_t>(i)] = unpack(packed, lead.signal.format, i * width + s);
      }
      check(line);
    }
  }

 private:
  [[noreturn]] void fail(const WfdbSignalLine& line, const std::string& what) const {
    throw Error(fmt::format("{} line {} {}.", origin_, line.line, what));
  }

  /// header(5): the checksum is the sum of the samples in 16 bits. Of published headers many state 0
  /// that took none.
  void check(const WfdbSignalLine& line) const {
    const auto& samples = line.signal.samples;
    if (samples.empty()) return;
    if (line.first_sample && *line.first_sample != samples.front()) {
      fail(line, fmt::format("states {} as the first sample, but {} has {}; header and signals are "
                             "not of one record",
                             *line.first_sample, path_, samples.front()));
    }
    std::uint16_t sum = 0;
    for (const std::int16_t sample : samples) sum = static_cast<std::uint16_t>(sum + sample);
    const auto stated = static_cast<std::uint16_t>(line.checksum.value_or(0));
    if (stated != 0 && stated != sum) {
      fail(line, fmt::format("states the checksum {}, but the samples of {} have {}; the file is "
                             "damaged",
                             *line.checksum, path_, static_cast<std::int16_t>(sum)));
    }
  }

  const std::string& origin_;
  WfdbHeader& header_;
  std::size_t first_, last_;
  std::string path_;
};

}  // namespace

WfdbRecord read_wfdb(const std::string& path) {
  const std::string origin = path.ends_with(".hea") ? path : path + ".hea";
  const std::size_t slash = origin.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "" : origin.substr(0, slash + 1);
  WfdbHeader header = parse_wfdb_header(read_text(origin, std::int64_t{1} << 20), origin);
  for (std::size_t first = 0, last; first < header.lines.size(); first = last) {
    last = first + 1;
    while (last < header.lines.size() &&
           header.lines[last].signal.file == header.lines[first].signal.file) {
      ++last;
    }
    SignalFile(folder, origin, header, first, last).read();
  }
  for (WfdbSignalLine& line : header.lines) {
    header.record.signals.push_back(std::move(line.signal));
  }
  return std::move(header.record);
}

}  // namespace salus::io
