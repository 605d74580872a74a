#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/dicom_source.h"
#include "engine/io/dicom_tags.h"

namespace salus::io::dicom {

constexpr std::uint64_t kUndefinedLength = ~std::uint64_t{0};

class DataSet;

/// Where the value of one element lies. Values are read when asked for.
struct Element {
  Tag tag = 0;
  Vr vr = 0;  ///< as the file says it, else of the dictionary
  bool big_endian = false;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;                     ///< kUndefinedLength for encapsulated pixel data
  std::unique_ptr<std::vector<DataSet>> items;  ///< of a sequence

  Element();
  ~Element();
  Element(Element&&) noexcept;
  Element& operator=(Element&&) noexcept;
};

/// The elements that Salus uses of one data set or sequence item, in file order.
class DataSet {
 public:
  void add(Element element) { elements_.push_back(std::move(element)); }
  const std::vector<Element>& elements() const { return elements_; }

  /// The last element with this tag (the one that a rewritten file means), or nullptr.
  const Element* find(Tag tag) const;
  /// Item `i` of a sequence, or nullptr.
  const DataSet* item(Tag sequence, std::size_t i = 0) const;

 private:
  std::vector<Element> elements_;
};

/// Text of an element without trailing spaces and NULs; "" if absent.
std::string text(ByteSource& source, const DataSet& data, Tag tag);
/// The values of a text, split at backslashes and trimmed.
std::vector<std::string> texts(ByteSource& source, const DataSet& data, Tag tag);

/// All values of a numeric element (binary or text), an unreadable text value as NaN; empty if the
/// element is absent or has no value. At most `limit` values are read.
std::vector<double> numbers(ByteSource& source, const DataSet& data, Tag tag,
                            std::size_t limit = 64);
/// First value as a number. \throws salus::Error if it is there but not a number.
std::optional<double> number(ByteSource& source, const DataSet& data, Tag tag);
/// First value as an integer. \throws salus::Error if it is there but not a whole number.
std::optional<std::int64_t> integer(ByteSource& source, const DataSet& data, Tag tag);

/// "(0028,0010)".
std::string tag_text(Tag tag);
/// Name of a tag for people, with its number: "Rows (0028,0010)".
std::string tag_name(Tag tag);

/// One unsigned integer of 2, 4 or 8 bytes.
std::uint64_t load_uint(const std::byte* bytes, int count, bool big_endian);

}  // namespace salus::io::dicom
