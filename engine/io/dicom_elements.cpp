#include "engine/io/dicom_elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace salus::io::dicom {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::int64_t kMaxElements = 4 << 20;

/// Value representations whose length field has 32 bits (PS3.5 7.1.2).
constexpr Vr kLongVrs[] = {vr_code("OB"), vr_code("OD"), vr_code("OF"), vr_code("OL"),
                           vr_code("OV"), vr_code("OW"), vr_code("SQ"), vr_code("SV"),
                           vr_code("UC"), vr_code("UN"), vr_code("UR"), vr_code("UT"),
                           vr_code("UV")};
constexpr Vr kShortVrs[] = {
    vr_code("AE"), vr_code("AS"), vr_code("AT"), vr_code("CS"), vr_code("DA"), vr_code("DS"),
    vr_code("DT"), vr_code("FD"), vr_code("FL"), vr_code("IS"), vr_code("LO"), vr_code("LT"),
    vr_code("PN"), vr_code("SH"), vr_code("SL"), vr_code("SS"), vr_code("ST"), vr_code("TM"),
    vr_code("UI"), vr_code("UL"), vr_code("US")};

template <std::size_t N>
bool contains(const Vr (&list)[N], Vr vr) {
  return std::find(std::begin(list), std::end(list), vr) != std::end(list);
}

bool is_upper(std::byte b) { return b >= std::byte{'A'} && b <= std::byte{'Z'}; }

std::uint64_t length_of(std::uint64_t field) {
  return field == 0xFFFFFFFFu ? kUndefinedLength : field;
}

Tag load_tag(const std::byte* bytes, bool big_endian) {
  return static_cast<Tag>(load_uint(bytes, 2, big_endian) << 16 |
                          load_uint(bytes + 2, 2, big_endian));
}

bool is_delimiter(Tag tag) { return tag >> 16 == 0xFFFE; }

/// The two bytes of a value representation that some writers put where they know none. NULs before
/// the length 0 are an implicit element as well, and the same.
bool is_illegal_vr(const std::byte* bytes) {
  const auto letter = [](std::byte b) {
    b |= std::byte{0x20};
    return b >= std::byte{'a'} && b <= std::byte{'z'};
  };
  const std::byte a = bytes[0], b = bytes[1];
  if (a == b && a == std::byte{0}) return load_uint(bytes + 2, 2, false) != 0;
  if (a == b && (a == std::byte{'?'} || a == std::byte{' '})) return true;
  return letter(a) && letter(b) && !(is_upper(a) && is_upper(b));
}

bool is_pixels(Tag tag) { return tag == kPixelData || tag == kFloatPixels || tag == kDoublePixels; }

}  // namespace

bool is_known_vr(Vr vr) { return contains(kShortVrs, vr) || contains(kLongVrs, vr); }

bool has_illegal_vr(ByteSource& source, std::uint64_t position, std::uint64_t end,
                    bool big_endian) {
  if (end - position < 8) return false;
  const std::byte* bytes = source.view(position, 8);
  if (!is_illegal_vr(bytes + 4)) return false;
  const Tag tag = load_tag(bytes, big_endian);
  const std::uint64_t length = load_uint(bytes + 6, 2, big_endian);
  if (length > end - position - 8) return false;
  const std::uint64_t next = position + 8 + length;
  if (end - next < 8) return true;
  bytes = source.view(next, 8);
  const Tag following = load_tag(bytes, big_endian);
  if (is_delimiter(following)) return true;
  const auto vr = static_cast<Vr>(load_uint(bytes + 4, 2, true));
  return following > tag && (is_known_vr(vr) || is_illegal_vr(bytes + 4));
}

void ElementWalker::warn_once(bool& warned, const char* sentence) {
  if (!warned) warnings_.emplace_back(sentence);
  warned = true;
}

/// Fills vr, value offset (relative to the header) and length. False if the bytes hold no explicit
/// VR: some writers put implicit elements into an explicit data set.
bool ElementWalker::read_explicit(const std::byte* bytes, std::uint64_t left, Encoding encoding,
                                  Header& header) {
  if (!is_upper(bytes[4]) || !is_upper(bytes[5])) return false;
  header.vr = static_cast<Vr>(load_uint(bytes + 4, 2, true));
  const std::uint64_t short_length = load_uint(bytes + 6, 2, encoding.big_endian);
  bool is_long = contains(kLongVrs, header.vr);
  if (!is_long && !contains(kShortVrs, header.vr) && short_length == 0 && left >= 12) {
    // A VR of a later standard: these have 32-bit lengths (PS3.5 6.2), and the field must fit.
    const std::uint64_t length = load_uint(bytes + 8, 4, encoding.big_endian);
    is_long = length <= left - 12 && length != 0;
  }
  if (!is_long) {
    header.value = 8;
    header.length = short_length;
    return true;
  }
  if (left < 12) return false;
  header.value = 12;
  header.length = length_of(load_uint(bytes + 8, 4, encoding.big_endian));
  return true;
}

/// The same for a value representation that does not exist: UN, but with a length of 16 bits.
bool ElementWalker::read_illegal(std::uint64_t position, std::uint64_t end, Encoding encoding,
                                 Header& header) {
  if (!has_illegal_vr(source_, position, end, encoding.big_endian)) return false;
  warn_once(warned_illegal_,
            "Some elements have a value representation that does not exist; they were read as UN.");
  header.vr = vr_code("UN");
  header.value = 8;
  header.length = load_uint(source_.view(position + 6, 2), 2, encoding.big_endian);
  return true;
}

ElementWalker::Header ElementWalker::read_header(std::uint64_t position, std::uint64_t end,
                                                 Encoding encoding) {
  const std::uint64_t left = end - position;
  if (left < 8) source_.fail("it ends inside the header of an element.");
  if (++count_ > kMaxElements) {
    source_.fail(fmt::format("it has more than {} elements.", kMaxElements));
  }
  const std::byte* bytes =
      source_.view(position, static_cast<std::size_t>(std::min<std::uint64_t>(left, 12)));
  Header header;
  header.tag = load_tag(bytes, encoding.big_endian);
  const std::uint64_t implicit_length = length_of(load_uint(bytes + 4, 4, encoding.big_endian));
  const bool delimiter = is_delimiter(header.tag);
  const bool is_explicit = !delimiter && encoding.explicit_vr &&
                           (read_explicit(bytes, left, encoding, header) ||
                            read_illegal(position, end, encoding, header));
  if (!is_explicit) {
    if (!delimiter && encoding.explicit_vr && header.tag != 0) {
      warn_once(warned_implicit_,
                "Some elements have no value representation although the transfer syntax is "
                "explicit; they were read as implicit.");
    }
    header.vr = delimiter ? Vr{0} : dictionary_vr(header.tag);
    header.value = 8;
    header.length = implicit_length;
  }
  header.value += position;
  return header;
}

void ElementWalker::check_fits(const Header& header, std::uint64_t end) {
  if (header.length != kUndefinedLength && header.length > end - header.value) {
    source_.fail(fmt::format("{} claims {} bytes where {} are left.", tag_name(header.tag),
                             header.length, end - header.value));
  }
}

std::uint64_t ElementWalker::walk_meta(std::uint64_t position, DataSet& meta) {
  const std::uint64_t end = source_.size();
  Encoding encoding{true, false};
  if (end - position >= 8 && load_uint(source_.view(position, 2), 2, true) == 2) {
    encoding.big_endian = true;
    warnings_.emplace_back("The meta header is big endian; the standard wants little endian.");
  }
  while (end - position >= 8) {
    if (load_uint(source_.view(position, 2), 2, encoding.big_endian) != 2) break;
    const Header header = read_header(position, end, encoding);
    check_fits(header, end);
    if (header.length == kUndefinedLength) source_.fail("its meta header has no definite length.");
    position = walk_element(header, end, encoding, 0, &meta);
  }
  return position;
}

void ElementWalker::walk_data(std::uint64_t position, Encoding encoding, DataSet& data) {
  const std::uint64_t end = source_.size();
  while (end - position >= 8) {
    const Header header = read_header(position, end, encoding);
    if (is_pixels(header.tag)) {
      // Its length is not checked here: the reader of the pixels knows how many bytes it needs.
      Element element;
      element.tag = header.tag;
      element.vr = header.vr;
      element.big_endian = encoding.big_endian;
      element.offset = header.value;
      element.length = header.length;
      data.add(std::move(element));
      // Some writers do not sort: only then is there a reason to walk past the pixels.
      if (data.find(kRows) && data.find(kBitsAllocated)) return;
      if (header.length == kUndefinedLength) {
        position = skip_fragments(header.value, end, encoding);
      } else {
        position = header.value + std::min(header.length, end - header.value);
      }
      continue;
    }
    check_fits(header, end);
    position = walk_element(header, end, encoding, 0, &data);
  }
}

std::uint64_t ElementWalker::walk_element(const Header& header, std::uint64_t end,
                                          Encoding encoding, int depth, DataSet* out) {
  const Vr wanted = out ? dictionary_vr(header.tag) : Vr{0};
  const bool undefined = header.length == kUndefinedLength;
  const bool binary = header.vr == vr_code("OB") || header.vr == vr_code("OW");
  if (undefined && (header.tag == kPixelData || (binary && wanted != vr_code("SQ")))) {
    return skip_fragments(header.value, end, encoding);  // an encapsulated icon
  }
  const bool sequence = undefined || wanted == vr_code("SQ");
  Element element;
  if (wanted) {
    element.tag = header.tag;
    element.vr = header.vr ? header.vr : wanted;
    element.big_endian = encoding.big_endian;
    element.offset = header.value;
    element.length = header.length;
  }
  std::uint64_t next = header.value + header.length;
  if (sequence && header.length > 0) {
    const std::uint64_t items_end = undefined ? end : next;
    // A sequence of VR UN is implicit little endian whatever surrounds it (PS3.5 6.2.2, note 4),
    // but some writers leave the value representations in.
    const Encoding inner = header.vr != vr_code("UN")
                               ? encoding
                               : Encoding{items_are_explicit(header.value, items_end), false};
    std::unique_ptr<std::vector<DataSet>> items;
    if (wanted == vr_code("SQ")) items = std::make_unique<std::vector<DataSet>>();
    next =
        walk_items(header.value, items_end, undefined, inner, depth + 1, items.get(), header.tag);
    element.items = std::move(items);
  }
  if (wanted) out->add(std::move(element));
  return next;
}

/// Whether the first element in little-endian items at `position` has a value representation.
bool ElementWalker::items_are_explicit(std::uint64_t position, std::uint64_t end) {
  for (; end - position >= 8; position += 8) {
    const std::byte* bytes = source_.view(position, 8);
    const Tag tag = load_tag(bytes, false);
    if (tag == kSequenceEnd) return false;
    if (!is_delimiter(tag)) return is_known_vr(static_cast<Vr>(load_uint(bytes + 4, 2, true)));
  }
  return false;
}

std::uint64_t ElementWalker::walk_items(std::uint64_t position, std::uint64_t end, bool undefined,
                                        Encoding encoding, int depth, std::vector<DataSet>* items,
                                        Tag tag) {
  if (depth > kMaxDepth) source_.fail(fmt::format("sequences nest deeper than {}.", kMaxDepth));
  while (undefined || end - position >= 8) {
    const Header header = read_header(position, end, encoding);
    if (header.tag == kSequenceEnd) return undefined ? header.value : end;
    if (header.tag != kItem) {
      source_.fail(fmt::format("sequence {} holds {} where an item should be.", tag_name(tag),
                               tag_text(header.tag)));
    }
    check_fits(header, end);
    DataSet* item = nullptr;
    if (items) item = &items->emplace_back();
    const bool open = header.length == kUndefinedLength;
    position = walk_item(header.value, open ? end : header.value + header.length, open, encoding,
                         depth, item);
  }
  return end;
}

std::uint64_t ElementWalker::walk_item(std::uint64_t position, std::uint64_t end, bool undefined,
                                       Encoding encoding, int depth, DataSet* out) {
  while (undefined || end - position >= 8) {
    const Header header = read_header(position, end, encoding);
    if (header.tag == kItemEnd) {
      position = header.value;
      if (undefined) return position;
      continue;
    }
    // A missing item delimiter: the sequence goes on, or ends, here.
    if (undefined && (header.tag == kItem || header.tag == kSequenceEnd)) return position;
    check_fits(header, end);
    position = walk_element(header, end, encoding, depth, out);
  }
  return end;
}

std::uint64_t ElementWalker::skip_fragments(std::uint64_t position, std::uint64_t end,
                                            Encoding encoding) {
  while (true) {
    const Header header = read_header(position, end, encoding);
    if (header.tag == kSequenceEnd) return header.value;
    if (header.tag != kItem || header.length == kUndefinedLength) {
      source_.fail(fmt::format("encapsulated data hold {} where a fragment should be.",
                               tag_text(header.tag)));
    }
    check_fits(header, end);
    position = header.value + header.length;
  }
}

}  // namespace salus::io::dicom
