#include "tests/support/dicom_mutator.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "tests/support/files.h"

namespace salus::test {
namespace {

/// Where an element of a little-endian file lies. Found by a walker of this file's own, which gives
/// up where it stops understanding.
struct Place {
  std::size_t begin = 0;   ///< of the tag
  std::size_t length = 0;  ///< of the length field's position
  int length_bytes = 4;
  std::size_t value = 0, end = 0;
  std::uint32_t tag = 0;
};

std::uint32_t little(const Bytes& b, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) {
    value = value << 8 | std::to_integer<std::uint32_t>(b[at + static_cast<std::size_t>(i)]);
  }
  return value;
}

void put_little(Bytes& b, std::size_t at, std::uint32_t value, int count) {
  for (int i = 0; i < count && at < b.size(); ++i, ++at) {
    b[at] = static_cast<std::byte>(value >> 8 * i);
  }
}

void put_big(Bytes& b, std::size_t at, std::uint32_t value, int count) {
  for (int i = count - 1; i >= 0 && at < b.size(); --i, ++at) {
    b[at] = static_cast<std::byte>(value >> 8 * i);
  }
}

bool is_letter(std::byte b) { return b >= std::byte{'A'} && b <= std::byte{'Z'}; }

/// Elements, items and fragments, flat: sequences are entered.
std::vector<Place> places_of(const Bytes& b) {
  static const std::array<const char*, 10> kLong = {"OB", "OD", "OF", "OL", "OV",
                                                    "OW", "SQ", "UC", "UN", "UT"};
  std::vector<Place> places;
  const bool preamble = b.size() > 132 && std::memcmp(b.data() + 128, "DICM", 4) == 0;
  std::size_t at = preamble ? 132 : 0;
  while (at + 12 <= b.size() && places.size() < 5000) {
    Place place;
    place.begin = at;
    place.tag = little(b, at, 2) << 16 | little(b, at + 2, 2);
    const bool delimiter = place.tag >> 16 == 0xFFFE;
    const bool explicit_vr = !delimiter && is_letter(b[at + 4]) && is_letter(b[at + 5]);
    const bool is_long =
        explicit_vr && std::any_of(kLong.begin(), kLong.end(), [&](const char* vr) {
          return std::memcmp(vr, b.data() + at + 4, 2) == 0;
        });
    place.length = at + (is_long ? 8 : explicit_vr ? 6 : 4);
    place.length_bytes = explicit_vr && !is_long ? 2 : 4;
    place.value = place.length + static_cast<std::size_t>(place.length_bytes);
    const std::uint32_t length = little(b, place.length, place.length_bytes);
    const bool sequence = explicit_vr && std::memcmp("SQ", b.data() + at + 4, 2) == 0;
    const bool entered = length == 0xFFFFFFFF || sequence;
    if (!entered && length > b.size() - place.value) break;
    place.end = entered ? place.value : place.value + length;
    // An item is entered too, unless it is a fragment of pixel data.
    const bool item = place.tag == 0xFFFEE000 && !places.empty() && places.back().tag != 0x7FE00010;
    const bool fragment = item && std::any_of(places.begin(), places.end(),
                                              [](const Place& p) { return p.tag == 0x7FE00010; });
    places.push_back(place);
    at = item && !fragment ? place.value : place.end;
  }
  return places;
}

const Place& any_place(const std::vector<Place>& places, Rng& rng) {
  return places[below(rng, places.size())];
}

std::uint32_t edge(Rng& rng) {
  static const std::array<std::uint32_t, 16> kEdges = {
      0, 1, 2, 3, 4, 7, 8, 15, 16, 64, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF};
  return below(rng, 3) == 0 ? static_cast<std::uint32_t>(rng()) : kEdges[below(rng, kEdges.size())];
}

void edit_length(Bytes& b, const std::vector<Place>& places, Rng& rng) {
  const Place& place = any_place(places, rng);
  const std::uint32_t now = little(b, place.length, place.length_bytes);
  const auto near = static_cast<std::uint32_t>(static_cast<int>(below(rng, 9)) - 4);
  put_little(b, place.length, below(rng, 2) ? now + near : edge(rng), place.length_bytes);
}

void edit_tag_or_vr(Bytes& b, const std::vector<Place>& places, Rng& rng) {
  static const std::array<const char*, 12> kVrs = {"OB", "OW", "UN", "SQ", "US", "SS",
                                                   "UL", "DS", "IS", "FD", "ZZ", "\0\1"};
  const Place& place = any_place(places, rng);
  if (below(rng, 2) == 0) {
    std::memcpy(b.data() + place.begin + 4, kVrs[below(rng, kVrs.size())], 2);
  } else {
    const std::uint32_t tag = any_place(places, rng).tag;
    put_little(b, place.begin, tag >> 16, 2);
    put_little(b, place.begin + 2, tag & 0xFFFF, 2);
  }
}

/// The attributes that decide how pixels are read: new values of the size that they have.
void edit_pixel_description(Bytes& b, const std::vector<Place>& places, Rng& rng) {
  std::vector<const Place*> described;
  for (const Place& place : places) {
    const std::uint32_t group = place.tag >> 16;
    if ((group == 0x0028 || place.tag == 0x00020010) && place.end > place.value) {
      described.push_back(&place);
    }
  }
  if (described.empty()) return;
  const Place& place = *described[below(rng, described.size())];
  const std::size_t size = place.end - place.value;
  if (size == 2 || size == 4) {
    static const std::array<std::uint32_t, 12> kBits = {0, 1, 2, 3, 8, 10, 12, 15, 16, 24, 32, 64};
    put_little(b, place.value, below(rng, 2) ? kBits[below(rng, kBits.size())] : edge(rng),
               static_cast<int>(size));
    return;
  }
  static const std::array<const char*, 12> kTexts = {
      "RGB",      "YBR_FULL", "YBR_FULL_422",           "PALETTE COLOR", "MONOCHROME1", "YBR_RCT",
      "99999999", "-1",       "1.2.840.10008.1.2.4.70", "1e308",         "nan",         "0"};
  const char* text = kTexts[below(rng, kTexts.size())];
  for (std::size_t i = 0; i < size; ++i) {
    b[place.value + i] = static_cast<std::byte>(i < std::strlen(text) ? text[i] : ' ');
  }
}

void move_element(Bytes& b, const std::vector<Place>& places, Rng& rng) {
  const Place& from = any_place(places, rng);
  const std::size_t to = any_place(places, rng).begin;
  const Bytes element(b.begin() + static_cast<std::ptrdiff_t>(from.begin),
                      b.begin() + static_cast<std::ptrdiff_t>(from.end));
  const std::uint64_t kind = below(rng, 3);
  if (kind != 0)
    b.insert(b.begin() + static_cast<std::ptrdiff_t>(to), element.begin(), element.end());
  if (kind != 1 && from.end <= b.size() && (kind == 0 || to >= from.end)) {
    b.erase(b.begin() + static_cast<std::ptrdiff_t>(from.begin),
            b.begin() + static_cast<std::ptrdiff_t>(from.end));
  }
}

/// Markers of JPEG, JPEG-LS and JPEG 2000, their lengths and the bytes of their headers.
void edit_codestream(Bytes& b, const std::vector<Place>& places, Rng& rng) {
  std::vector<std::size_t> markers;
  const auto pixels = std::find_if(places.begin(), places.end(),
                                   [](const Place& p) { return p.tag == 0x7FE00010; });
  if (pixels == places.end()) return;
  for (std::size_t at = pixels->value; at + 4 < b.size() && markers.size() < 200; ++at) {
    const int next = std::to_integer<int>(b[at + 1]);
    if (b[at] == std::byte{0xFF} && next >= 0x4F && next != 0xFF) markers.push_back(at);
  }
  if (markers.empty() || below(rng, 8) == 0) {  // RLE header, or whatever is there
    put_little(b, pixels->value + 4 * below(rng, 40), edge(rng), 4);
    return;
  }
  // Headers stand at the front: prefer them to the entropy-coded rest.
  const std::size_t at = markers[below(
      rng, below(rng, 4) ? std::min<std::size_t>(markers.size(), 16) : markers.size())];
  switch (below(rng, 5)) {
    case 0:
      put_big(b, at + 2, edge(rng), 2);
      return;
    case 1:
      b[at + 1] = static_cast<std::byte>(0x4F + below(rng, 0xB0));
      return;
    case 2:
      put_big(b, at + 4 + below(rng, 40), edge(rng), below(rng, 2) ? 4 : 2);
      return;
    case 3:
      put_big(b, at + 4 + below(rng, 60), static_cast<std::uint32_t>(rng()), 1);
      return;
    default: {
      const std::size_t cut = std::min<std::size_t>(below(rng, 40), b.size() - at);
      b.erase(b.begin() + static_cast<std::ptrdiff_t>(at),
              b.begin() + static_cast<std::ptrdiff_t>(at + cut));
    }
  }
}

void splice(Bytes& b, const std::vector<Place>& places, const std::vector<Bytes>& seeds, Rng& rng) {
  const Bytes& other = seeds[below(rng, seeds.size())];
  const std::vector<Place> theirs = places_of(other);
  if (theirs.empty()) return;
  const std::size_t from = any_place(theirs, rng).begin, at = any_place(places, rng).begin;
  if (below(rng, 2) == 0) b.resize(at);
  const std::size_t size = below(rng, 2) ? other.size() - from : below(rng, other.size() - from);
  b.insert(b.begin() + static_cast<std::ptrdiff_t>(at),
           other.begin() + static_cast<std::ptrdiff_t>(from),
           other.begin() + static_cast<std::ptrdiff_t>(from + size));
}

}  // namespace

std::vector<Bytes> dicom_seeds(std::size_t max_bytes) {
  std::vector<std::string> paths;
  for (const char* folder : {"dicom/codecs", "dicom/odd"}) {
    for (const auto& entry : std::filesystem::directory_iterator(data_path(folder))) {
      if (entry.file_size() <= max_bytes) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  if (paths.size() < 30) throw std::runtime_error("tests/data/dicom holds too few files");
  std::vector<Bytes> seeds;
  for (const std::string& path : paths) seeds.push_back(read_test_file(path));
  return seeds;
}

Bytes mutate_dicom(const std::vector<Bytes>& seeds, Rng& rng) {
  Bytes b = seeds[below(rng, seeds.size())];
  // Mostly one edit: a file broken in many ways is refused for the first of them.
  const std::uint64_t edits = below(rng, 3) == 0 ? 2 + below(rng, 4) : 1;
  for (std::uint64_t i = 0; i < edits; ++i) {
    const std::vector<Place> places = places_of(b);
    if (places.empty()) {
      mutate(b, rng);
      continue;
    }
    switch (below(rng, 9)) {
      case 0:
        edit_length(b, places, rng);
        break;
      case 1:
        edit_tag_or_vr(b, places, rng);
        break;
      case 2:
      case 3:
        edit_pixel_description(b, places, rng);
        break;
      case 4:
        move_element(b, places, rng);
        break;
      case 5:
      case 6:
        edit_codestream(b, places, rng);
        break;
      case 7:
        splice(b, places, seeds, rng);
        break;
      default:
        mutate(b, rng);
    }
  }
  return b;
}

}  // namespace salus::test
