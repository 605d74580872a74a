#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/dicom_dataset.h"
#include "engine/io/dicom_parser.h"

namespace salus::io::dicom {

/// True for the value representations of PS3.5 table 6.2-1.
bool is_known_vr(Vr vr);

/// True if the explicit element at `position` has letters that are no value representation ("??",
/// blanks, NULs, lower case) before a length of 16 bits, which leads to `end` or to a later element
/// of an explicit data set. An implicit element has the low half of its length there.
bool has_illegal_vr(ByteSource& source, std::uint64_t position, std::uint64_t end, bool big_endian);

/// Walks elements, sequences and items, keeping the elements that have a dictionary VR.
///
/// Nothing is believed: every length is checked against what encloses it, nesting is limited to 64
/// and the number of elements to four million.
class ElementWalker {
 public:
  ElementWalker(ByteSource& source, std::vector<std::string>& warnings)
      : source_(source), warnings_(warnings) {}

  /// Elements of group 0002 from `position`. Returns where the data set begins.
  std::uint64_t walk_meta(std::uint64_t position, DataSet& meta);

  /// A data set from `position` to the pixel element or the end of the file.
  void walk_data(std::uint64_t position, Encoding encoding, DataSet& data);

 private:
  struct Header {
    Tag tag = 0;
    Vr vr = 0;
    std::uint64_t value = 0;   ///< offset of the value
    std::uint64_t length = 0;  ///< or kUndefinedLength
  };
  Header read_header(std::uint64_t position, std::uint64_t end, Encoding encoding);
  bool read_explicit(const std::byte* bytes, std::uint64_t left, Encoding encoding, Header& header);
  bool read_illegal(std::uint64_t position, std::uint64_t end, Encoding encoding, Header& header);
  bool items_are_explicit(std::uint64_t position, std::uint64_t end);
  std::uint64_t walk_element(const Header& header, std::uint64_t end, Encoding encoding, int depth,
                             DataSet* out);
  std::uint64_t walk_items(std::uint64_t position, std::uint64_t end, bool undefined,
                           Encoding encoding, int depth, std::vector<DataSet>* items, Tag tag);
  std::uint64_t walk_item(std::uint64_t position, std::uint64_t end, bool undefined,
                          Encoding encoding, int depth, DataSet* out);
  std::uint64_t skip_fragments(std::uint64_t position, std::uint64_t end, Encoding encoding);
  void check_fits(const Header& header, std::uint64_t end);
  void warn_once(bool& warned, const char* sentence);

  ByteSource& source_;
  std::vector<std::string>& warnings_;
  std::int64_t count_ = 0;
  bool warned_implicit_ = false, warned_illegal_ = false;
};

}  // namespace salus::io::dicom
