#pragma once

#include "engine/io/table.h"
#include "engine/similar/vectors.h"

namespace salus::similar {

/// read_vectors() of one format each.
VectorSource read_array(const std::string& path, const VectorOptions& options);
VectorSource read_vector_table(const std::string& path, const VectorOptions& options);

/// Position of a column of `table`. \throws salus::Error naming `path` and the nearest column.
std::size_t required_column(const io::TextTable& table, const std::string& name,
                            const std::string& path);

/// The attributes `types` of rows `rows` of a table, in the order given.
/// \throws salus::Error naming row and column of a cell that is not of a known kind.
std::vector<AttributeValues> read_attributes(const io::TextTable& table,
                                             const std::vector<std::size_t>& rows,
                                             const VectorOptions& options, const std::string& path);

}  // namespace salus::similar
