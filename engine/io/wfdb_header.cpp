#include "engine/io/wfdb_header.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/vitals_rows.h"
#include "engine/io/wfdb_formats.h"

namespace salus::io {
namespace {

constexpr int kMostSignals = 4096;
constexpr int kMostSegments = 1 << 20;
constexpr std::int64_t kMostPerFrame = 65536;
constexpr std::string_view kSuffix = ".hea";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
    const std::size_t end = line.find_first_of(" \t", at);
    words.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
    at = end == std::string_view::npos ? end : line.find_first_not_of(" \t", end);
  }
  return words;
}

/// Takes a number off the front of `text`; nothing if none is there.
template <typename T>
std::optional<T> take_number(std::string_view& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& origin) : lines_(text) {
    header_.origin = origin;
  }

  WfdbHeader parse() {
    std::string_view line;
    bool first = true;
    while (lines_.next(line)) {
      const std::size_t start = line.find_first_not_of(" \t");
      if (start == std::string_view::npos) continue;
      if (line[start] == '#') {
        header_.record.comments.emplace_back(line.substr(start + 1));
      } else if (first) {
        record_line(words_of(line));
        first = false;
      } else if (described() == announced_) {
        fail(fmt::format("is one {} more than the first line announces", kind()));
      } else if (header_.several) {
        segment_line(words_of(line));
      } else {
        signal_line(line);
      }
    }
    if (first) {
      throw Error(fmt::format("{} is no WFDB header: it has no record line.", header_.origin));
    }
    if (described() < announced_) {
      fail(fmt::format("is the last, but {} {}s are announced and {} described", announced_, kind(),
                       described()));
    }
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { header_.fail(lines_.number(), what); }

  [[noreturn]] void fail_format(std::string_view stated) const {
    fail(fmt::format("has \"{}\" for the format", stated));
  }

  const char* kind() const { return header_.several ? "segment" : "signal"; }
  int described() const {
    return static_cast<int>(header_.several ? header_.segments.size() : header_.lines.size());
  }

  /// "100 2 360 650000 0:0:0 0/0/0"; "100/3 2 360 650000" for a record of three segments.
  void record_line(const std::vector<std::string_view>& words) {
    if (words.size() < 2) fail("is no record line: it must name record and number of signals");
    header_.record.name = std::string(words[0].substr(0, words[0].find('/')));
    header_.several = header_.record.name.size() < words[0].size();
    const auto count = [&](std::string_view word, int least, int most, const char* what) {
      const std::string_view stated = word;
      const auto value = take_number<int>(word);
      if (!value || !word.empty() || *value < least || *value > most) {
        fail(fmt::format("has \"{}\" for the number of {}", stated, what));
      }
      return *value;
    };
    announced_ = header_.signals = count(words[1], 0, kMostSignals, "signals");
    if (header_.several) {
      announced_ =
          count(words[0].substr(header_.record.name.size() + 1), 1, kMostSegments, "segments");
    }
    if (words.size() > 2) frequency_word(words[2]);
    if (words.size() > 3) header_.record.length = length_word(words[3]);
  }

  /// "360"; a counter frequency after '/' and its base in parentheses are of no use here.
  void frequency_word(std::string_view stated) {
    std::string_view word = stated;
    const auto frequency = take_number<double>(word);
    const bool whole = word.empty() || word[0] == '/' || word[0] == '(';
    if (!frequency || !whole || !(*frequency > 0) || !std::isfinite(*frequency)) {
      fail(fmt::format("has \"{}\" for the sampling frequency", stated));
    }
    header_.record.frequency = *frequency;
  }

  std::int64_t length_word(std::string_view stated) const {
    std::string_view word = stated;
    const auto length = take_number<std::int64_t>(word);
    if (!length || !word.empty() || *length < 0 || *length > kMostWfdbSamples) {
      fail(fmt::format("has \"{}\" for the number of samples", stated));
    }
    return *length;
  }

  /// "100s 21600", "~ 1800" for a gap.
  void segment_line(const std::vector<std::string_view>& words) {
    if (words.size() < 2) fail("is no segment line: it must name record and number of samples");
    if (words[0].find('/') != std::string_view::npos) {
      fail("names a segment outside of the header's folder");
    }
    header_.segments.push_back({std::string(words[0]), length_word(words[1]), lines_.number()});
  }

  /// "100.dat 212x1:0+24 200(1024)/mV 11 1024 995 -22131 0 MLII"
  void signal_line(std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 2) fail("is no signal line: it must name file and format");
    WfdbSignalLine parsed;
    parsed.line = lines_.number();
    parsed.signal.file = std::string(words[0]);
    format_word(words[1], parsed);
    const bool has_baseline = words.size() > 2 && gain_word(words[2], parsed.signal);
    const auto number = [&](std::size_t at, const char* what) -> std::optional<std::int32_t> {
      if (at >= words.size()) return std::nullopt;
      std::string_view word = words[at];
      const auto value = take_number<std::int32_t>(word);
      if (!value || !word.empty()) fail(fmt::format("has \"{}\" for the {}", words[at], what));
      return value;
    };
    parsed.signal.resolution = number(3, "ADC resolution").value_or(0);
    parsed.signal.adc_zero = number(4, "ADC zero").value_or(0);
    if (!has_baseline) parsed.signal.baseline = parsed.signal.adc_zero;
    parsed.first_sample = number(5, "initial value");
    parsed.checksum = number(6, "checksum");
    number(7, "block size");
    if (words.size() > 8) {
      const std::size_t end = line.find_last_not_of(" \t") + 1;
      const auto begin = static_cast<std::size_t>(words[8].data() - line.data());
      parsed.signal.description = std::string(line.substr(begin, end - begin));
    }
    header_.lines.push_back(std::move(parsed));
  }

  /// "212x4:3+24": four samples in a frame, a skew of three frames, data from byte 24 on.
  void format_word(std::string_view stated, WfdbSignalLine& parsed) {
    std::string_view word = stated;
    const int format = take_number<int>(word).value_or(-1);
    if (format < 0) fail_format(stated);
    if (format != 0 && find_wfdb_format(format) == nullptr) {
      fail(fmt::format(
          "has a signal of format {}; only 8, 16, 24, 32, 61, 80, 160, 212, 310 and 311 "
          "can be read, convert it with xform",
          format));
    }
    parsed.signal.format = format;
    while (!word.empty()) {
      const char sign = word[0];
      word.remove_prefix(1);
      const std::int64_t value = take_number<std::int64_t>(word).value_or(-1);
      const bool frame = sign == 'x';
      if (value < (frame ? 1 : 0) || value > (frame ? kMostPerFrame : kMostWfdbSamples)) {
        fail_format(stated);
      }
      switch (sign) {
        case 'x':
          parsed.per_frame = value;
          break;
        case ':':
          parsed.skew = value;
          break;
        case '+':
          parsed.byte_offset = value;
          break;
        default:
          fail_format(stated);
      }
    }
  }

  /// "200(1024)/mV", each part but the first optional; returns whether it has a baseline.
  bool gain_word(std::string_view stated, WfdbSignal& signal) const {
    std::string_view word = stated;
    const auto gain = take_number<double>(word);
    bool good = gain && std::isfinite(*gain);
    const bool has_baseline = good && word.starts_with('(');
    if (has_baseline) {
      word.remove_prefix(1);
      const auto baseline = take_number<std::int32_t>(word);
      good = baseline && word.starts_with(')');
      if (good) word.remove_prefix(1);
      signal.baseline = baseline.value_or(0);
    }
    if (good && word.starts_with('/')) {
      signal.unit = std::string(word.substr(1));
      word = {};
    }
    if (!good || !word.empty()) fail(fmt::format("has \"{}\" for the gain", stated));
    if (*gain != 0) signal.gain = *gain;
    return has_baseline;
  }

  LineReader lines_;
  WfdbHeader header_;
  int announced_ = 0;  ///< signals or segments
};

}  // namespace

void WfdbHeader::fail(std::int64_t line, const std::string& what) const {
  throw Error(fmt::format("{} line {} {}.", origin, line, what));
}

std::string WfdbHeader::folder() const { return origin.substr(0, origin.find_last_of('/') + 1); }

WfdbHeader parse_wfdb_header(const std::string& text, const std::string& origin) {
  if (text.find('\0') != std::string::npos) {
    throw Error(fmt::format("{} is no WFDB header: it is not text.", origin));
  }
  return HeaderParser(text, origin).parse();
}

WfdbHeader read_wfdb_header(const std::string& path) {
  const std::string origin = path.ends_with(kSuffix) ? path : path + std::string(kSuffix);
  return parse_wfdb_header(read_text(origin, std::int64_t{1} << 20), origin);
}

}  // namespace salus::io
