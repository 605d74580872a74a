#include "engine/io/dicom_fragments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace salus::io::dicom {
namespace {

constexpr std::size_t kMaxFragments = 16 << 20;
constexpr std::uint64_t kMaxTable = 64 << 20;

}  // namespace

EncapsulatedPixels::EncapsulatedPixels(ParsedFile& file, const Element& pixels, std::int64_t frames)
    : file_(file) {
  walk(pixels);
  assign_frames(frames);
}

void EncapsulatedPixels::read_table(const Fragment& item, bool big_endian) {
  if (item.length > kMaxTable) file_.source->fail("its basic offset table is longer than 64 MiB.");
  const std::byte* entries = file_.source->view(item.offset, item.length);
  for (std::uint64_t i = 0; i + 4 <= item.length; i += 4) {
    table_.push_back(load_uint(entries + i, 4, big_endian));
  }
}

void EncapsulatedPixels::walk(const Element& pixels) {
  ByteSource& source = *file_.source;
  const bool undefined = pixels.length == kUndefinedLength;
  const std::uint64_t left = source.size() - pixels.offset;
  const std::uint64_t end = pixels.offset + (undefined ? left : std::min(left, pixels.length));
  std::uint64_t at = pixels.offset;
  bool delimited = !undefined;
  for (bool first = true; end - at >= 8; first = false) {
    const std::byte* bytes = source.view(at, 8);
    const Tag tag = static_cast<Tag>(load_uint(bytes, 2, pixels.big_endian) << 16 |
                                     load_uint(bytes + 2, 2, pixels.big_endian));
    const std::uint64_t length = load_uint(bytes + 4, 4, pixels.big_endian);
    if (tag == kSequenceEnd) {
      delimited = true;
      break;
    }
    if (tag != kItem) {
      source.fail(fmt::format("its pixel data hold {} where fragment {} should be.", tag_text(tag),
                              fragments_.size()));
    }
    if (length > end - at - 8) {
      source.fail(
          fmt::format("its pixel data are truncated: fragment {} claims {} bytes where {} "
                      "are left.",
                      fragments_.size(), length, end - at - 8));
    }
    const Fragment fragment{at + 8, length};
    at += 8 + length;
    if (first && !begins_codestream(fragment)) {
      read_table(fragment, pixels.big_endian);
      base_ = at;
      continue;
    }
    if (first) {
      base_ = pixels.offset;
      file_.warnings.emplace_back("The pixel data have no basic offset table.");
    }
    if (fragments_.size() == kMaxFragments) source.fail("its pixel data have too many fragments.");
    fragments_.push_back(fragment);
  }
  if (fragments_.empty()) source.fail("its pixel data hold no fragment.");
  if (!delimited) {
    file_.warnings.emplace_back("The pixel data end without a sequence delimiter.");
  }
}

bool EncapsulatedPixels::begins_codestream(const Fragment& fragment) const {
  if (fragment.length < 4) return false;
  const std::uint64_t start = load_uint(file_.source->view(fragment.offset, 4), 4, true);
  return start >> 8 == 0xFFD8FF || start == 0xFF4FFF51 || start == 0x0000000C;
}

bool EncapsulatedPixels::assign_by_starts(const std::vector<std::uint64_t>& starts) {
  std::vector<Range> ranges;
  std::size_t fragment = 0;
  for (const std::uint64_t start : starts) {
    while (fragment < fragments_.size() && fragments_[fragment].offset - 8 < start) ++fragment;
    if (fragment == fragments_.size() || fragments_[fragment].offset - 8 != start) return false;
    if (!ranges.empty()) {
      if (ranges.back().first >= fragment) return false;
      ranges.back().last = fragment;
    } else if (fragment != 0) {
      return false;
    }
    ranges.push_back({fragment, fragments_.size()});
  }
  frames_ = std::move(ranges);
  return true;
}

bool EncapsulatedPixels::assign_by_extended_table(std::int64_t frames) {
  const Element* offsets = file_.data.find(kExtendedOffsets);
  const auto count = static_cast<std::uint64_t>(frames);
  if (!offsets || offsets->length == kUndefinedLength || offsets->length / 8 < count ||
      offsets->length > kMaxTable) {
    return false;
  }
  const std::byte* bytes = file_.source->view(offsets->offset, count * 8);
  std::vector<std::uint64_t> starts(count);
  for (std::size_t i = 0; i < count; ++i) {
    starts[i] = base_ + load_uint(bytes + 8 * i, 8, offsets->big_endian);
  }
  return assign_by_starts(starts);
}

bool EncapsulatedPixels::assign_by_basic_table(std::int64_t frames) {
  if (table_.size() != static_cast<std::size_t>(frames)) return false;
  std::vector<std::uint64_t> starts = table_;
  for (std::uint64_t& start : starts) start += base_;
  return assign_by_starts(starts);
}

bool EncapsulatedPixels::assign_by_markers(std::int64_t frames) {
  std::vector<std::uint64_t> starts;
  for (const Fragment& fragment : fragments_) {
    if (begins_codestream(fragment)) starts.push_back(fragment.offset - 8);
  }
  return starts.size() == static_cast<std::size_t>(frames) && assign_by_starts(starts);
}

void EncapsulatedPixels::assign_frames(std::int64_t frames) {
  const auto count = static_cast<std::size_t>(frames);
  if (count > fragments_.size()) {
    file_.source->fail(fmt::format("{} is {} but its pixel data have {} fragments.",
                                   tag_name(kFrames), frames, fragments_.size()));
  }
  if (frames == 1) {
    // Fragments beyond the frame that a table of more entries begins with belong to others.
    frames_ = {{0, fragments_.size()}};
    return;
  }
  if (assign_by_extended_table(frames) || assign_by_basic_table(frames)) return;
  if (!table_.empty()) {
    file_.warnings.emplace_back(
        "The basic offset table does not match the fragments and was not used.");
  }
  if (count == fragments_.size()) {
    for (std::size_t i = 0; i < count; ++i) frames_.push_back({i, i + 1});
    return;
  }
  if (assign_by_markers(frames)) return;
  file_.source->fail(fmt::format("its {} fragments cannot be divided among {} frames.",
                                 fragments_.size(), frames));
}

void EncapsulatedPixels::read(std::int64_t frame, std::vector<std::byte>& bytes) const {
  const Range range = frames_[static_cast<std::size_t>(frame)];
  std::uint64_t size = 0;
  for (std::size_t i = range.first; i < range.last; ++i) size += fragments_[i].length;
  bytes.resize(size);
  std::byte* out = bytes.data();
  for (std::size_t i = range.first; i < range.last; ++i) {
    file_.source->read(fragments_[i].offset, out, fragments_[i].length);
    out += fragments_[i].length;
  }
}

}  // namespace salus::io::dicom
