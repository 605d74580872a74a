#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/dicom_parser.h"

namespace salus::io::dicom {

/// Frames of encapsulated pixel data (PS3.5 A.4), found by the extended offset table, the basic
/// offset table, one fragment per frame, or the start markers of the codestreams, in this order.
class EncapsulatedPixels {
 public:
  /// Walks the fragments. \throws salus::Error if one runs past the end of the file, or `frames`
  /// frames cannot be told apart.
  EncapsulatedPixels(ParsedFile& file, const Element& pixels, std::int64_t frames);

  /// Replaces `bytes` with the coded bytes of one frame.
  void read(std::int64_t frame, std::vector<std::byte>& bytes) const;

 private:
  struct Fragment {
    std::uint64_t offset = 0, length = 0;
  };
  struct Range {
    std::size_t first = 0, last = 0;  ///< fragments [first, last)
  };
  void walk(const Element& pixels);
  void read_table(const Fragment& item, bool big_endian);
  void assign_frames(std::int64_t frames);
  bool assign_by_extended_table(std::int64_t frames);
  bool assign_by_basic_table(std::int64_t frames);
  bool assign_by_markers(std::int64_t frames);
  bool assign_by_starts(const std::vector<std::uint64_t>& starts);
  bool begins_codestream(const Fragment& fragment) const;

  ParsedFile& file_;
  std::vector<Fragment> fragments_;
  std::vector<std::uint64_t> table_;  ///< basic offset table
  std::uint64_t base_ = 0;            ///< where its offsets count from
  std::vector<Range> frames_;
};

}  // namespace salus::io::dicom
