#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/similar/attributes.h"
#include "engine/similar/manifest.h"
#include "engine/similar/segment.h"

namespace salus::similar {

/// A similarity index opened for reading: a snapshot. What others append, delete or compact after
/// open() does not show, and its files stay readable even when they have been removed. Rows are
/// mapped, never read whole. Copies share the mappings. Thread-safe.
///
/// Rows are numbered from 0 through all segments in the order in which they were added, deleted
/// ones included; that is the order in which equal scores rank.
class Index {
 public:
  struct Part {
    Segment segment;
    AliveBits alive;
    std::int64_t first = 0;  ///< number of its first row
  };

  /// Verifies the manifest, the bits of deleted rows, and headers and sizes of all files, but not
  /// the rows: see verify().
  /// \throws salus::Error naming the file and the reason.
  static Index open(const std::string& path);

  const std::string& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  const std::vector<std::shared_ptr<const Part>>& parts() const { return parts_; }

  std::int64_t rows() const { return manifest_.rows(); }  ///< deleted ones included
  bool alive(std::int64_t row) const;
  std::string id(std::int64_t row) const;
  /// The row with this id that is not deleted, or -1.
  std::int64_t find(const std::string& id) const;
  /// Place of the part that holds `row`.
  std::size_t part_of(std::int64_t row) const;

  /// Bit i % 64 of word i / 64: row i of part `part` is not deleted and satisfies every condition.
  std::vector<std::uint64_t> matching(std::size_t part,
                                      const std::vector<Condition>& conditions) const;

  /// Checks every checksum of every file, on all threads.
  /// \throws salus::Error naming the first file where one does not fit.
  void verify() const;

 private:
  std::string path_;
  Manifest manifest_;
  std::vector<std::shared_ptr<const Part>> parts_;
};

/// Sets bits [0, rows) of ceil(rows / 64) words.
std::vector<std::uint64_t> all_rows(std::int64_t rows);

}  // namespace salus::similar
