// MIT annotation files: words of 16 bits, a code of 6 bits and 10 bits of time or length
// (annot(5)).
#include <fmt/core.h>

#include <array>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/numbers.h"
#include "engine/io/wfdb.h"

namespace salus::io {
namespace {

constexpr int kSkip = 59, kNumber = 60, kSubtype = 61, kChannel = 62, kText = 63;

class AnnotationParser {
 public:
  AnnotationParser(std::span<const std::byte> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  std::vector<WfdbAnnotation> parse() {
    // A file without its closing zero word was cut off.
    while (true) {
      const unsigned word = take();
      const int code = static_cast<int>(word >> 10);
      const int rest = static_cast<int>(word & 0x3ff);
      if (word == 0) return std::move(all_);
      if (code == kSkip) {
        const std::uint32_t high = take();
        advance(static_cast<std::int32_t>(high << 16 | take()));
      } else if (code >= kNumber) {
        extend(code, rest);
      } else {
        advance(rest);
        if (code == 0) continue;  // NOTQRS: only time passes
        WfdbAnnotation next;
        next.sample = time_;
        next.code = code;
        next.symbol = wfdb_symbol(code);
        if (next.symbol.empty()) next.symbol = fmt::format("[{}]", code);
        // Number and channel hold until they are changed; the subtype does not.
        next.number = number_;
        next.channel = channel_;
        all_.push_back(std::move(next));
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(
        fmt::format("{} byte {}: {}; it is damaged or no annotation file.", origin_, at_, what));
  }

  unsigned take() {
    if (bytes_.size() - at_ < 2) fail("the file ends before its closing zero");
    at_ += 2;
    return load_le<std::uint16_t>(bytes_, at_ - 2);
  }

  void advance(std::int64_t by) {
    time_ += by;
    if (time_ < 0) fail("the time is before the record");
  }

  /// What follows an annotation and belongs to it.
  void extend(int code, int rest) {
    if (all_.empty()) fail("an attribute stands before the first annotation");
    WfdbAnnotation& last = all_.back();
    const int value = rest > 0x1ff ? rest - 0x400 : rest;
    if (code == kNumber) last.number = number_ = value;
    if (code == kSubtype) last.subtype = value;
    if (code == kChannel) last.channel = channel_ = rest;
    if (code != kText) return;
    const auto length = static_cast<std::size_t>(rest);
    if (bytes_.size() - at_ < length + length % 2) fail("a text ends beyond the file");
    last.text.assign(reinterpret_cast<const char*>(bytes_.data() + at_), length);
    while (last.text.ends_with('\0')) last.text.pop_back();
    at_ += length + length % 2;
  }

  std::span<const std::byte> bytes_;
  const std::string& origin_;
  std::size_t at_ = 0;
  std::int64_t time_ = 0;
  int number_ = 0, channel_ = 0;
  std::vector<WfdbAnnotation> all_;
};

}  // namespace

std::string wfdb_symbol(int code) {
  static constexpr std::array<const char*, 42> kSymbols = {
      "",  "N", "L", "R", "a", "V", "F", "J", "A",  "S", "E", "j", "/", "Q",
      "~", "",  "|", "",  "s", "T", "*", "D", "\"", "=", "p", "B", "^", "t",
      "+", "u", "?", "!", "[", "]", "e", "n", "@",  "x", "f", "(", ")", "r"};
  return code >= 0 && code < static_cast<int>(kSymbols.size())
             ? kSymbols[static_cast<std::size_t>(code)]
             : "";
}

std::vector<WfdbAnnotation> read_wfdb_annotations(const std::string& path) {
  const auto bytes = read_file(path, std::int64_t{1} << 30);
  return AnnotationParser(bytes, path).parse();
}

}  // namespace salus::io
