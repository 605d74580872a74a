#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/similar/attributes.h"
#include "engine/similar/manifest.h"

namespace salus::similar {

/// Vectors of a file, with what stands beside them. Rows come in pieces: those of an array are
/// mapped and never read whole.
struct VectorSource {
  std::string origin;  ///< the file as the caller named it
  std::int64_t rows = 0;
  std::int64_t dim = 0;
  std::vector<std::string> columns;  ///< names of the values, of a table; empty for an array
  std::string id_column;             ///< of a table; "" if there is none
  std::vector<std::string> ids;      ///< one per row; empty if the file has none
  std::vector<AttributeValues> attributes;
  /// Rows [first, first + count) as float32 [count, D]; missing cells are NaN.
  std::function<at::Tensor(std::int64_t first, std::int64_t count)> read;
};

/// What to take from a file.
struct VectorOptions {
  std::string id;                         ///< column of ids; "" = none, or the array's own list
  bool id_is_optional = false;            ///< a table without that column has no ids
  std::vector<std::string> columns;       ///< columns of values; empty = all the others
  std::vector<AttributeType> attributes;  ///< columns that searches can be narrowed by
  /// True: the kinds in `attributes` are what cells must be. False: number if every cell is one.
  bool kinds_are_known = false;
  /// A table with the attributes of an array's rows, matched by its column `id`; "" = none.
  std::string table;
};

/// Reads a table (CSV, Parquet) or an array (NPY [N, D] of floats or integers; the ids are the
/// lines of NAME.npy.ids.txt if that is there, as `salus predict --embeddings` writes it), by
/// content.
///
/// Table columns that are named as ids, values or attributes must be there (the error names the
/// nearest one). Without `columns` the values are all other columns, which must be numbers; a cell
/// that is none is an error with its row, an empty one is NaN.
///
/// \throws salus::Error naming file, row and column; UsageError for options that do not go
/// together.
VectorSource read_vectors(const std::string& path, const VectorOptions& options);

/// What to take from a file that goes with `manifest`: its columns, ids and attributes.
/// \param with_attributes  false for queries, which need none.
VectorOptions options_for(const Manifest& manifest, bool with_attributes);

/// \throws salus::Error if the vectors of `source` cannot stand beside those of the index: another
///         number of values.
void check_dim(const VectorSource& source, const Manifest& manifest, const std::string& index);

}  // namespace salus::similar
