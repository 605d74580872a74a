#include "engine/io/dicom_palette.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/io/dicom_color.h"

namespace salus::io::dicom {
namespace {

constexpr std::size_t kMaxEntries = 1 << 16;

/// Expands a segmented palette (PS3.3 C.7.9.2): discrete, linear and indirect segments.
class SegmentExpander {
 public:
  SegmentExpander(const ByteSource& source, std::vector<std::uint16_t> data, bool wide)
      : source_(source), data_(std::move(data)), wide_(wide) {}

  std::vector<std::uint16_t> expand() {
    find_starts();
    run(0, data_.size(), false);
    return std::move(table_);
  }

 private:
  /// Words of an indirect segment behind its length: an offset of 32 bits.
  std::size_t offset_words() const { return wide_ ? 2 : 4; }

  void find_starts() {
    for (std::size_t at = 0; at + 1 < data_.size();) {
      const std::uint16_t opcode = data_[at], length = data_[at + 1];
      starts_.push_back(at);
      at += 2 + (opcode == 0 ? length : opcode == 1 ? 1 : offset_words());
    }
  }

  /// True if `segments` segments that an indirect one may repeat begin at `at`.
  bool repeatable(std::uint64_t at, std::size_t segments) const {
    const auto first = std::lower_bound(starts_.begin(), starts_.end(), at);
    if (first == starts_.end() || *first != at) return false;
    if (segments > static_cast<std::size_t>(starts_.end() - first)) return false;
    return std::all_of(first, first + static_cast<std::ptrdiff_t>(segments),
                       [this](std::size_t start) { return data_[start] < 2; });
  }

  /// Where the segments lie that an indirect segment repeats. Its offset counts bytes
  /// (PS3.3 C.7.9.2.3), but some writers of 16-bit entries count words.
  std::size_t target_of(std::uint64_t offset, std::size_t segments) const {
    if (!wide_ || offset % 2 == 0) {
      const std::uint64_t at = wide_ ? offset / 2 : offset;
      if (repeatable(at, segments)) return at;
    }
    need(wide_ && repeatable(offset, segments));
    return offset;
  }

  /// Expands `segments` segments from `at`, or all that there are.
  void run(std::size_t at, std::size_t segments, bool inside) {
    for (std::size_t n = 0; n < segments && at + 1 < data_.size(); ++n) {
      const std::uint16_t opcode = data_[at], length = data_[at + 1];
      at += 2;
      if (opcode == 0) {
        need(length <= data_.size() - at);
        table_.insert(table_.end(), data_.begin() + at, data_.begin() + at + length);
        at += length;
      } else if (opcode == 1) {
        need(at < data_.size() && !table_.empty());
        linear(data_[at++], length);
      } else if (opcode == 2) {
        const std::size_t words = offset_words();
        need(!inside && words <= data_.size() - at && !table_.empty());
        std::uint64_t offset = 0;
        for (std::size_t i = words; i-- > 0;) offset = offset << (wide_ ? 16 : 8) | data_[at + i];
        at += words;
        run(target_of(offset, length), length, true);
      } else {
        need(false);
      }
      need(table_.size() <= kMaxEntries);
    }
  }

  void linear(std::uint16_t to, std::uint16_t length) {
    const double from = table_.back();
    for (int i = 1; i <= length; ++i) {
      table_.push_back(static_cast<std::uint16_t>(std::nearbyint(from + (to - from) * i / length)));
    }
  }

  void need(bool condition) const {
    if (!condition) source_.fail("its segmented palette is damaged.");
  }

  const ByteSource& source_;
  std::vector<std::uint16_t> data_;
  bool wide_;
  std::vector<std::size_t> starts_;  ///< of all segments, ascending
  std::vector<std::uint16_t> table_;
};

/// `count` entries of `width` bytes. Packed bytes of big-endian words are swapped in pairs
/// (PS3.5 7.3), so they take whole words.
std::vector<std::uint16_t> load_entries(ByteSource& source, const Element& element, int width,
                                        std::size_t count) {
  const bool of_bytes = element.vr == vr_code("OB") || element.vr == vr_code("UN");
  const std::size_t swap = width == 1 && element.big_endian && !of_bytes ? 1 : 0;
  if (swap) count = std::min<std::size_t>(count, element.length - element.length % 2);
  const std::size_t size = count * static_cast<std::size_t>(width);
  const std::byte* bytes = source.view(element.offset, (size + swap) & ~swap);
  std::vector<std::uint16_t> entries(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (i ^ swap) * static_cast<std::size_t>(width);
    entries[i] = static_cast<std::uint16_t>(load_uint(bytes + at, width, element.big_endian));
  }
  return entries;
}

std::vector<std::uint16_t> channel(ParsedFile& file, Tag colour, std::size_t count, int bits) {
  ByteSource& source = *file.source;
  if (const Element* plain = file.data.find(kRedData + colour)) {
    return table_entries(source, *plain, count);
  }
  const Element* segmented = file.data.find(kSegmentedRedData + colour);
  if (!segmented) source.fail("its palette has no lookup table data.");
  const bool wide = bits > 8;
  const std::uint64_t length = segmented->length;
  if (length > 4 * kMaxEntries) source.fail("its segmented palette is too long.");
  std::vector<std::uint16_t> data =
      load_entries(source, *segmented, wide ? 2 : 1, wide ? length / 2 : length);
  return SegmentExpander(source, std::move(data), wide).expand();
}

}  // namespace

std::int64_t first_mapped(double value, bool is_signed) {
  const auto raw = static_cast<std::int64_t>(value);
  return is_signed && raw > 32767 ? raw - 65536 : raw;
}

std::vector<std::uint16_t> table_entries(ByteSource& source, const Element& element,
                                         std::size_t count) {
  const bool words = element.length >= 2 * count || element.length % 2 != 0 ||
                     (element.length < count && element.length > 0);
  const int width = words ? 2 : 1;
  const auto there = static_cast<std::size_t>(element.length) / static_cast<std::size_t>(width);
  return load_entries(source, element, width, std::min(count, there));
}

Palette read_palette(ParsedFile& file, bool is_signed) {
  ByteSource& source = *file.source;
  Palette palette;
  for (Tag colour = 0; colour < 3; ++colour) {
    const std::vector<double> descriptor = numbers(source, file.data, kRedDescriptor + colour, 3);
    if (descriptor.size() < 3) {
      source.fail(fmt::format("{} is missing.", tag_name(kRedDescriptor + colour)));
    }
    const auto declared =
        static_cast<std::size_t>(static_cast<std::int64_t>(descriptor[0]) & 0xFFFF);
    const std::size_t count = declared ? declared : kMaxEntries;
    if (colour == 0) {
      palette.first = first_mapped(descriptor[1], is_signed);
      palette.bits = descriptor[2] > 8 ? 16 : 8;
    }
    palette.channels[colour] = channel(file, colour, count, static_cast<int>(descriptor[2]));
    const std::vector<std::uint16_t>& table = palette.channels[colour];
    if (table.empty() || table.size() != palette.channels[0].size()) {
      source.fail("its palette's lookup tables are empty or differ in length.");
    }
    if (table.size() < count) {
      file.warnings.push_back(fmt::format("A palette has {} entries where its descriptor says {}.",
                                          table.size(), count));
    }
    if (*std::max_element(table.begin(), table.end()) > 255) palette.bits = 16;
  }
  return palette;
}

}  // namespace salus::io::dicom
