#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file_lock.h"
#include "engine/similar/index.h"
#include "engine/similar/vectors.h"

namespace salus::similar {

struct NewRows;

/// What a new index is.
struct IndexSettings {
  kernels::Metric metric = kernels::Metric::kCosine;
  at::ScalarType dtype = at::kBFloat16;  ///< float32, float16, bfloat16 or int8
  bool originals = false;                ///< keep float32 rows too: scores are theirs then
  bool standardise = false;  ///< each value less its mean, by its standard deviation, over the rows
};

struct AppendReport {
  std::int64_t added = 0;
  std::int64_t replaced = 0;    ///< rows deleted because a new one has their id
  std::int64_t unfindable = 0;  ///< of those added: NaN, infinite, or zero for cosine
};

struct RemoveReport {
  std::int64_t removed = 0;
  std::vector<std::string> unknown;  ///< ids that no row has
};

/// Changes an index. One writer at a time, in all processes. Every change is one step: killed at
/// any moment, it has happened or not, and the next writer removes what was left behind. Readers
/// that have the index open keep their snapshot.
class IndexWriter {
 public:
  /// Told what was just done ("locked", "segment written", "manifest written", ...).
  using Observer = std::function<void(const std::string& step)>;

  /// Opens an index to change it. \throws salus::Error as Index::open() does, or if another process
  /// is writing it.
  explicit IndexWriter(const std::string& path, Observer observer = {});

  /// Makes the index `path` of all rows of `source`.
  /// \param replace  an index that is there already is replaced, in one step.
  /// \throws salus::Error if something else is there, or as append() does.
  static AppendReport create(const std::string& path, const IndexSettings& settings,
                             const VectorSource& source, bool replace, Observer observer = {});

  /// The index as it now is.
  const Index& index() const { return *index_; }

  /// Adds the rows of `source`.
  /// \param replace  rows that have an id of the new ones are deleted, and of several new rows with
  ///                 one id the last one counts; without it both are errors.
  /// \throws salus::Error: another number of values, no ids where the index has them or the other
  ///         way round, an empty or repeated id, an id that is no whole number where those of the
  ///         index are, an attribute of another kind.
  AppendReport append(const VectorSource& source, bool replace);

  /// Deletes rows: no search finds them any more. Their bytes stay in the files until compact().
  RemoveReport remove(const std::vector<std::string>& ids);
  /// The rows that satisfy every condition, of which there must be one.
  RemoveReport remove(const std::vector<Condition>& conditions);

  /// Writes all rows that are not deleted into one new segment and removes the old files: after it
  /// the bytes of deleted rows, their ids and attributes are in no file of the index. (A file
  /// system or disk that keeps old blocks may still hold them; so may backups.)
  /// \returns how many rows were erased.
  std::int64_t compact();

 private:
  IndexWriter(const std::string& path, Observer observer, bool create);
  AppendReport add(Manifest manifest, const VectorSource& source, const NewRows& rows);
  void delete_rows(Manifest& manifest, const std::vector<std::int64_t>& rows);
  std::string write_alive(const SegmentEntry& entry, const std::vector<std::uint64_t>& words,
                          std::int64_t generation, std::size_t place);
  void publish(const Manifest& manifest);
  void remove_unnamed_files(const Manifest& manifest);
  std::int64_t next_generation() const;
  void done(const std::string& step) const;

  std::string path_;
  Observer observer_;
  std::unique_ptr<io::FileLock> lock_;
  std::optional<Index> index_;
};

}  // namespace salus::similar
