#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/similar/index.h"
#include "engine/similar/index_writer.h"
#include "engine/similar/segment_writer.h"
#include "engine/similar/vectors.h"

// What goes into new segments: rows of a source, or the rows of an index that are not deleted.

namespace salus::similar {

/// Which rows of a source are added, under which ids, and which rows of the index they replace.
struct NewRows {
  std::vector<std::int64_t> rows;      ///< of the source, ascending
  std::vector<std::string> ids;        ///< one for each of these
  std::vector<std::int64_t> replaced;  ///< of the index, ascending
};

/// The manifest of an empty index for rows like those of `source`.
/// \throws salus::Error for ids or attributes without a single row, whose kinds cannot be known.
Manifest new_manifest(const IndexSettings& settings, const VectorSource& source);

/// \throws salus::Error if rows of `source` cannot be added to an index with `manifest`.
void check_fits(const VectorSource& source, const Manifest& manifest, const std::string& index);

/// \param index  null for a new one.
/// \throws salus::Error for ids that are empty, of another kind, or there twice (unless `replace`).
NewRows choose_rows(const VectorSource& source, const Manifest& manifest, const Index* index,
                    bool replace);

/// The chosen rows, standardised and rounded as `manifest` says. Refers to all three.
SegmentContent content_of(const VectorSource& source, const NewRows& rows,
                          const Manifest& manifest);

/// All rows of `index` that are not deleted, in order, as they are stored. Refers to `index`.
SegmentContent remaining_content(const Index& index);

/// Subtracts mean and divides by deviation, if the manifest has them. Float32 [n, D].
at::Tensor standardised(const at::Tensor& values, const Manifest& manifest);

}  // namespace salus::similar
