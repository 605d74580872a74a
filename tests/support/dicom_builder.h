#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/fuzz.h"

namespace salus::test {

/// Makes the bytes of DICOM files, well- or malformed: every element is written as told, right or
/// wrong. Begins as an 8-bit MONOCHROME2 image without pixels, 2 rows by 3 columns.
class DicomBuilder {
 public:
  static constexpr const char* kImplicit = "1.2.840.10008.1.2";
  static constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
  static constexpr const char* kBigEndian = "1.2.840.10008.1.2.2";
  static constexpr const char* kDeflated = "1.2.840.10008.1.2.1.99";
  static constexpr const char* kRle = "1.2.840.10008.1.2.5";
  static constexpr const char* kJpegBaseline = "1.2.840.10008.1.2.4.50";

  explicit DicomBuilder(std::string transfer_syntax = kExplicit);
  /// A sequence item of the same encoding: no elements yet.
  DicomBuilder item() const;

  DicomBuilder& without_preamble();
  DicomBuilder& without_meta();
  /// Data set in an encoding that the transfer syntax does not announce.
  DicomBuilder& encode_as(bool explicit_vr, bool big_endian);

  DicomBuilder& text(std::uint32_t tag, const std::string& vr, std::string value);
  DicomBuilder& words(std::uint32_t tag, const std::string& vr, std::vector<std::uint16_t> values);
  DicomBuilder& doubles(std::uint32_t tag, const std::vector<double>& values);  ///< FD
  DicomBuilder& bytes(std::uint32_t tag, const std::string& vr, Bytes value);
  DicomBuilder& sequence(std::uint32_t tag, const std::vector<DicomBuilder>& items,
                         bool undefined_length = true, const std::string& vr = "SQ");
  DicomBuilder& remove(std::uint32_t tag);
  /// An element with a length field of its own, whatever `value` holds.
  DicomBuilder& lying(std::uint32_t tag, const std::string& vr, std::uint32_t length, Bytes value);

  DicomBuilder& size(int rows, int columns, int frames = 1);
  DicomBuilder& bits(int allocated, int stored, int high, bool is_signed);
  DicomBuilder& colour(const std::string& photometric, int planar = 0);
  /// PixelData of 8-bit or 16-bit values.
  DicomBuilder& pixels8(const std::vector<int>& values, const std::string& vr = "OB");
  DicomBuilder& pixels16(const std::vector<int>& values);
  /// Encapsulated PixelData: basic offset table and fragments.
  DicomBuilder& fragments(const std::vector<Bytes>& parts,
                          const std::vector<std::uint32_t>& offsets = {}, bool delimited = true);

  Bytes build() const;

 private:
  void put(std::uint32_t tag, const std::string& vr, const Bytes& value);
  Bytes header(std::uint32_t tag, const std::string& vr, std::uint32_t length) const;
  void append_uint(Bytes& out, std::uint64_t value, int count) const;
  Bytes data_set() const;

  std::string transfer_syntax_;
  bool explicit_ = true, big_endian_ = false, preamble_ = true, meta_ = true;
  std::map<std::uint32_t, Bytes> elements_;  ///< whole elements, encoded
};

Bytes bytes_of(const std::vector<int>& values);
Bytes text_bytes(const std::string& text);

/// Raw deflate (window_bits -15) or a zlib stream (15).
Bytes deflated(const Bytes& bytes, int window_bits = -15);

}  // namespace salus::test
