#include "tests/support/dicom_builder.h"

#include <zlib.h>

#include <cstring>
#include <utility>

namespace salus::test {
namespace {

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

bool has_long_length(const std::string& vr) {
  for (const char* name : {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"}) {
    if (vr == name) return true;
  }
  return false;
}

}  // namespace

Bytes bytes_of(const std::vector<int>& values) {
  Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

Bytes text_bytes(const std::string& text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

Bytes deflated(const Bytes& bytes, int window_bits) {
  Bytes out(bytes.size() + 1024);
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

DicomBuilder::DicomBuilder(std::string transfer_syntax)
    : transfer_syntax_(std::move(transfer_syntax)),
      explicit_(transfer_syntax_ != kImplicit),
      big_endian_(transfer_syntax_ == kBigEndian) {
  size(2, 3).bits(8, 8, 7, false);
  words(0x00280002, "US", {1}).text(0x00280004, "CS", "MONOCHROME2");
}

DicomBuilder DicomBuilder::item() const {
  DicomBuilder other = *this;
  other.elements_.clear();
  return other;
}

DicomBuilder& DicomBuilder::without_preamble() { return preamble_ = false, *this; }
DicomBuilder& DicomBuilder::without_meta() { return meta_ = preamble_ = false, *this; }

DicomBuilder& DicomBuilder::encode_as(bool explicit_vr, bool big_endian) {
  explicit_ = explicit_vr;
  big_endian_ = big_endian;
  elements_.clear();
  size(2, 3).bits(8, 8, 7, false);
  return words(0x00280002, "US", {1}).text(0x00280004, "CS", "MONOCHROME2");
}

void DicomBuilder::append_uint(Bytes& out, std::uint64_t value, int count) const {
  for (int i = 0; i < count; ++i) {
    out.push_back(static_cast<std::byte>(value >> 8 * (big_endian_ ? count - 1 - i : i)));
  }
}

Bytes DicomBuilder::header(std::uint32_t tag, const std::string& vr, std::uint32_t length) const {
  Bytes out;
  append_uint(out, tag >> 16, 2);
  append_uint(out, tag & 0xFFFF, 2);
  if (!explicit_) {
    append_uint(out, length, 4);
    return out;
  }
  append(out, text_bytes(vr));
  if (has_long_length(vr)) {
    append_uint(out, 0, 2);
    append_uint(out, length, 4);
  } else {
    append_uint(out, length, 2);
  }
  return out;
}

void DicomBuilder::put(std::uint32_t tag, const std::string& vr, const Bytes& value) {
  lying(tag, vr, static_cast<std::uint32_t>(value.size()), value);
}

DicomBuilder& DicomBuilder::lying(std::uint32_t tag, const std::string& vr, std::uint32_t length,
                                  Bytes value) {
  Bytes& element = elements_[tag];
  element = header(tag, vr, length);
  append(element, value);
  return *this;
}

DicomBuilder& DicomBuilder::text(std::uint32_t tag, const std::string& vr, std::string value) {
  if (value.size() % 2 != 0) value += vr == "UI" ? '\0' : ' ';
  put(tag, vr, text_bytes(value));
  return *this;
}

DicomBuilder& DicomBuilder::words(std::uint32_t tag, const std::string& vr,
                                  std::vector<std::uint16_t> values) {
  Bytes value;
  for (const std::uint16_t v : values) append_uint(value, v, 2);
  put(tag, vr, value);
  return *this;
}

DicomBuilder& DicomBuilder::doubles(std::uint32_t tag, const std::vector<double>& values) {
  Bytes value;
  for (const double v : values) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, 8);
    append_uint(value, bits, 8);
  }
  put(tag, "FD", value);
  return *this;
}

DicomBuilder& DicomBuilder::bytes(std::uint32_t tag, const std::string& vr, Bytes value) {
  put(tag, vr, value);
  return *this;
}

DicomBuilder& DicomBuilder::sequence(std::uint32_t tag, const std::vector<DicomBuilder>& items,
                                     bool undefined_length, const std::string& vr) {
  Bytes value;
  const auto delimiter = [&](std::uint32_t which, std::uint32_t length) {
    append_uint(value, 0xFFFE, 2);
    append_uint(value, which, 2);
    append_uint(value, length, 4);
  };
  for (const DicomBuilder& item : items) {
    const Bytes content = item.data_set();
    delimiter(0xE000, undefined_length ? 0xFFFFFFFF : static_cast<std::uint32_t>(content.size()));
    append(value, content);
    if (undefined_length) delimiter(0xE00D, 0);
  }
  if (undefined_length) delimiter(0xE0DD, 0);
  return lying(tag, vr, undefined_length ? 0xFFFFFFFF : static_cast<std::uint32_t>(value.size()),
               value);
}

DicomBuilder& DicomBuilder::remove(std::uint32_t tag) {
  elements_.erase(tag);
  return *this;
}

DicomBuilder& DicomBuilder::size(int rows, int columns, int frames) {
  if (frames != 1) text(0x00280008, "IS", std::to_string(frames));
  return words(0x00280010, "US", {static_cast<std::uint16_t>(rows)})
      .words(0x00280011, "US", {static_cast<std::uint16_t>(columns)});
}

DicomBuilder& DicomBuilder::bits(int allocated, int stored, int high, bool is_signed) {
  return words(0x00280100, "US", {static_cast<std::uint16_t>(allocated)})
      .words(0x00280101, "US", {static_cast<std::uint16_t>(stored)})
      .words(0x00280102, "US", {static_cast<std::uint16_t>(high)})
      .words(0x00280103, "US", {static_cast<std::uint16_t>(is_signed ? 1 : 0)});
}

DicomBuilder& DicomBuilder::colour(const std::string& photometric, int planar) {
  return words(0x00280002, "US", {3})
      .text(0x00280004, "CS", photometric)
      .words(0x00280006, "US", {static_cast<std::uint16_t>(planar)});
}

DicomBuilder& DicomBuilder::pixels8(const std::vector<int>& values, const std::string& vr) {
  Bytes value = bytes_of(values);
  if (value.size() % 2 != 0) value.push_back(std::byte{0});
  if (vr == "OW" && big_endian_) {
    for (std::size_t i = 0; i + 1 < value.size(); i += 2) std::swap(value[i], value[i + 1]);
  }
  return bytes(0x7FE00010, vr, value);
}

DicomBuilder& DicomBuilder::pixels16(const std::vector<int>& values) {
  std::vector<std::uint16_t> stored(values.begin(), values.end());
  return words(0x7FE00010, "OW", stored);
}

DicomBuilder& DicomBuilder::fragments(const std::vector<Bytes>& parts,
                                      const std::vector<std::uint32_t>& offsets, bool delimited) {
  Bytes value;
  const auto item = [&](std::uint32_t which, std::size_t length) {
    append_uint(value, 0xFFFE, 2);
    append_uint(value, which, 2);
    append_uint(value, length, 4);
  };
  item(0xE000, 4 * offsets.size());
  for (const std::uint32_t offset : offsets) append_uint(value, offset, 4);
  for (Bytes part : parts) {
    if (part.size() % 2 != 0) part.push_back(std::byte{0});
    item(0xE000, part.size());
    append(value, part);
  }
  if (delimited) item(0xE0DD, 0);
  return lying(0x7FE00010, "OB", 0xFFFFFFFF, value);
}

Bytes DicomBuilder::data_set() const {
  Bytes out;
  for (const auto& [tag, element] : elements_) append(out, element);
  return out;
}

Bytes DicomBuilder::build() const {
  Bytes out;
  if (preamble_) {
    out.resize(128);
    append(out, text_bytes("DICM"));
  }
  if (meta_) {
    DicomBuilder meta = item();
    meta.explicit_ = true;
    meta.big_endian_ = false;
    if (!transfer_syntax_.empty()) meta.text(0x00020010, "UI", transfer_syntax_);
    append(out, meta.data_set());
  }
  append(out, transfer_syntax_ == kDeflated ? deflated(data_set()) : data_set());
  return out;
}

}  // namespace salus::test
