#include "engine/io/wfdb_header.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "engine/io/error.h"
#include "engine/io/vitals_rows.h"

namespace salus::io {
namespace {

constexpr int kMostSignals = 4096;
constexpr std::int64_t kMostSamples = std::int64_t{1} << 40;

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
  HeaderParser(const std::string& text, const std::string& origin)
      : lines_(text), origin_(origin) {}

  WfdbHeader parse() {
    std::string_view line;
    bool first = true;
    int signals = 0;
    while (lines_.next(line)) {
      const std::size_t start = line.find_first_not_of(" \t");
      if (start == std::string_view::npos) continue;
      if (line[start] == '#') {
        header_.record.comments.emplace_back(line.substr(start + 1));
      } else if (first) {
        signals = record_line(words_of(line));
        first = false;
      } else if (static_cast<int>(header_.lines.size()) < signals) {
        signal_line(line);
      } else {
        fail("is one signal more than the first line announces");
      }
    }
    if (first) throw Error(fmt::format("{} is no WFDB header: it has no record line.", origin_));
    if (static_cast<int>(header_.lines.size()) < signals) {
      fail(fmt::format("is the last, but {} signals are announced and {} described", signals,
                       header_.lines.size()));
    }
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{} line {} {}.", origin_, lines_.number(), what));
  }

  /// "100 2 360 650000 0:0:0 0/0/0"; returns the number of signals.
  int record_line(const std::vector<std::string_view>& words) {
    if (words.size() < 2) fail("is no record line: it must name record and number of signals");
    WfdbRecord& record = header_.record;
    record.name = std::string(words[0]);
    if (record.name.find('/') != std::string::npos) {
      fail("describes a record of several segments, which cannot be read; read its segments");
    }
    std::string_view word = words[1];
    const auto signals = take_number<int>(word);
    if (!signals || !word.empty() || *signals < 0 || *signals > kMostSignals) {
      fail(fmt::format("has \"{}\" for the number of signals", words[1]));
    }
    if (words.size() > 2) {
      // A counter frequency after '/' and its base in parentheses are of no use here.
      word = words[2];
      const auto frequency = take_number<double>(word);
      const bool whole = word.empty() || word[0] == '/' || word[0] == '(';
      if (!frequency || !whole || !(*frequency > 0) || !std::isfinite(*frequency)) {
        fail(fmt::format("has \"{}\" for the sampling frequency", words[2]));
      }
      record.frequency = *frequency;
    }
    if (words.size() > 3) {
      word = words[3];
      const auto length = take_number<std::int64_t>(word);
      if (!length || !word.empty() || *length < 0 || *length > kMostSamples) {
        fail(fmt::format("has \"{}\" for the number of samples", words[3]));
      }
      record.length = *signals > 0 ? *length : 0;  // no signals have no samples, whatever is stated
      header_.has_length = *length > 0;
    }
    return *signals;
  }

  /// "100.dat 212x1:0+24 200(1024)/mV 11 1024 995 -22131 0 MLII"
  void signal_line(std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 2) fail("is no signal line: it must name file and format");
    WfdbSignalLine parsed;
    parsed.line = lines_.number();
    parsed.signal.file = std::string(words[0]);
    format_word(words[1], parsed);
    if (words.size() > 2) gain_word(words[2], parsed.signal);
    const auto number = [&](std::size_t at, const char* what) -> std::optional<std::int32_t> {
      if (at >= words.size()) return std::nullopt;
      std::string_view word = words[at];
      const auto value = take_number<std::int32_t>(word);
      if (!value || !word.empty()) fail(fmt::format("has \"{}\" for the {}", words[at], what));
      return value;
    };
    parsed.signal.resolution = number(3, "ADC resolution").value_or(0);
    parsed.signal.adc_zero = number(4, "ADC zero").value_or(0);
    if (!has_baseline_) parsed.signal.baseline = parsed.signal.adc_zero;
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

  void format_word(std::string_view stated, WfdbSignalLine& parsed) {
    std::string_view word = stated;
    const auto format = take_number<int>(word);
    if (!format) fail(fmt::format("has \"{}\" for the format", stated));
    if (*format != 16 && *format != 212) {
      fail(
          fmt::format("has a signal of format {}; only 16 and 212 can be read, convert it with "
                      "xform",
                      *format));
    }
    parsed.signal.format = *format;
    while (!word.empty()) {
      const char sign = word[0];
      word.remove_prefix(1);
      const auto value = take_number<std::int64_t>(word);
      if (!value || *value < 0) fail(fmt::format("has \"{}\" for the format", stated));
      if (sign == 'x' && *value != 1) fail("has a signal of several samples per frame");
      if (sign == ':' && *value != 0) fail("has a signal with skew");
      if (sign == '+') parsed.byte_offset = *value;
      if (sign != 'x' && sign != ':' && sign != '+') {
        fail(fmt::format("has \"{}\" for the format", stated));
      }
    }
  }

  /// "200(1024)/mV", each part but the first optional.
  void gain_word(std::string_view stated, WfdbSignal& signal) {
    std::string_view word = stated;
    const auto gain = take_number<double>(word);
    bool good = gain && std::isfinite(*gain);
    has_baseline_ = false;
    if (good && word.starts_with('(')) {
      word.remove_prefix(1);
      const auto baseline = take_number<std::int32_t>(word);
      good = baseline && word.starts_with(')');
      if (good) word.remove_prefix(1);
      signal.baseline = baseline.value_or(0);
      has_baseline_ = true;
    }
    signal.unit = "mV";
    if (good && word.starts_with('/')) {
      signal.unit = std::string(word.substr(1));
      word = {};
    }
    if (!good || !word.empty()) fail(fmt::format("has \"{}\" for the gain", stated));
    if (*gain != 0) signal.gain = *gain;
  }

  LineReader lines_;
  const std::string& origin_;
  WfdbHeader header_;
  bool has_baseline_ = false;
};

}  // namespace

WfdbHeader parse_wfdb_header(const std::string& text, const std::string& origin) {
  if (text.find('\0') != std::string::npos) {
    throw Error(fmt::format("{} is no WFDB header: it is not text.", origin));
  }
  return HeaderParser(text, origin).parse();
}

}  // namespace salus::io
