#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/similarity.h"

namespace salus::similar {

/// An index is a folder:
///
///   index.json       the manifest: what the index is and which files belong to it
///   segment-G.rows   rows with their ids and attributes (segment_format.h); never written again
///   alive-G.bits     which rows of a segment are not deleted; never written again
///   lock             held by a process that writes
///
/// A change writes new files, makes them durable and then replaces the manifest by rename: that is
/// the moment at which it happens. Files that no manifest names are removed by the next writer. G
/// is the generation of the manifest that first named the file, so no name is used twice.

enum class IdKind { kInteger, kText };
enum class AttributeKind { kNumber, kText };

/// A column that searches can be narrowed by.
struct AttributeType {
  std::string name;
  AttributeKind kind = AttributeKind::kNumber;
};

struct SegmentEntry {
  std::string file;
  std::int64_t rows = 0;
  std::string alive;  ///< "" while no row is deleted
  std::int64_t deleted = 0;
};

struct Manifest {
  std::int64_t generation = 0;
  kernels::Metric metric = kernels::Metric::kCosine;
  at::ScalarType dtype = at::kBFloat16;  ///< of the stored rows
  bool originals = false;                ///< float32 rows are kept beside them
  std::int64_t dim = 0;

  IdKind ids = IdKind::kInteger;
  bool numbered = false;     ///< rows came without ids and are numbered from 0 as they arrive
  std::int64_t next_id = 0;  ///< for those: never one that was used before
  std::string id_column;     ///< of tables; "" if none was named

  std::vector<std::string> columns;     ///< of tables, in order of the vector; empty for arrays
  std::vector<double> mean, deviation;  ///< per value, if rows and queries are standardised
  std::vector<AttributeType> attributes;
  std::vector<SegmentEntry> segments;

  std::int64_t rows() const;     ///< in files, deleted ones included
  std::int64_t deleted() const;  ///< in files still
  /// Position of an attribute. \throws UsageError naming the nearest one.
  std::size_t attribute(const std::string& name) const;
};

inline constexpr const char* kManifestFile = "index.json";

/// \throws salus::Error naming the file: missing, not an index, damaged (checksum), of a version
///         that this program does not know, or contradicting itself.
Manifest read_manifest(const std::string& folder);
/// Atomic and durable.
void write_manifest(const std::string& folder, const Manifest& manifest);

/// Whether `name` is one that files of an index (lock and manifest apart) have.
bool is_data_file(const std::string& name);

std::string to_string(kernels::Metric metric);  ///< "cosine", "ip", "l2"
std::string dtype_name(at::ScalarType dtype);   ///< "f32", "f16", "bf16", "int8"
kernels::Metric parse_metric(const std::string& name);
at::ScalarType parse_dtype(const std::string& name);

}  // namespace salus::similar
