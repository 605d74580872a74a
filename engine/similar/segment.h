#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/mapped_file.h"
#include "engine/similar/manifest.h"
#include "engine/similar/segment_format.h"
#include "kernels/similarity.h"

namespace salus::similar {

/// The values of a text attribute: one code per row into a dictionary.
struct TextColumn {
  std::span<const std::uint32_t> codes;  ///< kNoText where missing
  std::vector<std::string_view> dictionary;
};

/// One file of rows, mapped. Tensors and views handed out stay valid while the segment or one of
/// the tensors lives. Thread-safe.
///
/// Opening verifies the header's checksum and that every section lies inside the file and has the
/// size that rows, dim and types ask for; verify() does the contents. Contents that were not
/// verified may be wrong, but never lead outside the file: what they point at is checked when used.
class Segment {
 public:
  /// \throws salus::Error naming the file: missing, truncated, damaged, of a future version, or not
  ///         what the manifest says it is.
  Segment(const std::string& path, const Manifest& manifest, const SegmentEntry& entry);

  std::int64_t rows() const { return static_cast<std::int64_t>(header_.rows); }
  /// Rows that no search finds: NaN or infinite, and for cosine all zero.
  std::int64_t unfindable() const { return static_cast<std::int64_t>(header_.unfindable); }
  std::int64_t file_bytes() const { return static_cast<std::int64_t>(header_.file_bytes); }

  /// Rows [begin, end) as the operator takes them, mapped. `begin` is a multiple of 256. Norms and
  /// bounds that another version of the operator made are made again, in memory.
  kernels::SimilarityIndex similarity(std::int64_t begin, std::int64_t end) const;

  std::string id(std::int64_t row) const;
  /// The row with this id, deleted or not; -1 if there is none.
  std::int64_t find(const std::string& id) const;

  std::span<const double> numbers(std::size_t attribute) const;  ///< NaN where missing
  TextColumn text(std::size_t attribute) const;

  /// Checks every checksum that covers rows [begin, end), ids or attributes, on all threads.
  /// \throws salus::Error naming the file if one does not fit.
  void verify(std::int64_t begin, std::int64_t end) const;

 private:
  template <typename T>
  std::span<const T> section(std::size_t name) const;
  at::Tensor tensor(std::size_t name, at::ScalarType type, std::int64_t begin, std::int64_t end,
                    std::int64_t width) const;
  void check_header(const Manifest& manifest, const SegmentEntry& entry) const;
  void check_extents(const Manifest& manifest) const;
  std::string_view text_id(std::uint64_t row) const;
  std::uint64_t ordered_row(std::uint64_t place) const;
  [[noreturn]] void fail_damaged() const;

  std::shared_ptr<const io::MappedFile> file_;
  SegmentHeader header_;
  kernels::Metric metric_;
  at::ScalarType dtype_;
  bool prepared_;  ///< norms and bounds are what this program's operator would make
};

/// The bits of alive-G.bits, mapped and verified; or of a segment without one, where all are alive.
class AliveBits {
 public:
  AliveBits() = default;
  /// \throws salus::Error as Segment does.
  AliveBits(const std::string& path, const SegmentEntry& entry);

  bool all() const { return file_ == nullptr; }
  bool alive(std::int64_t row) const {
    return all() || (words_[static_cast<std::size_t>(row / 64)] >> (row % 64) & 1) != 0;
  }
  std::span<const std::uint64_t> words() const { return words_; }

 private:
  std::shared_ptr<const io::MappedFile> file_;
  std::span<const std::uint64_t> words_;
};

/// The text of an alive-G.bits file.
std::vector<std::byte> alive_file(std::span<const std::uint64_t> words, std::int64_t rows);

}  // namespace salus::similar
