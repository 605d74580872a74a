#include "engine/similar/vectors.h"

#include <fmt/format.h>

#include "engine/io/error.h"
#include "engine/io/posix.h"
#include "engine/similar/vectors_formats.h"

namespace salus::similar {

VectorSource read_vectors(const std::string& path, const VectorOptions& options) {
  constexpr std::string_view kNumpy = "\x93NUMPY";
  const auto start = io::InputFile(path).read_up_to(0, kNumpy.size());
  const bool array =
      std::string_view(reinterpret_cast<const char*>(start.data()), start.size()) == kNumpy;
  VectorSource source = array ? read_array(path, options) : read_vector_table(path, options);
  if (source.dim < 1 || source.dim > kernels::kLargestSimilarityDim) {
    throw Error(fmt::format("{} has vectors of {} values; they may have 1 to {}.", path, source.dim,
                            kernels::kLargestSimilarityDim));
  }
  return source;
}

VectorOptions options_for(const Manifest& manifest, bool with_attributes) {
  VectorOptions options;
  options.id = manifest.id_column;
  options.id_is_optional = true;
  options.columns = manifest.columns;
  if (with_attributes) options.attributes = manifest.attributes;
  options.kinds_are_known = true;
  return options;
}

void check_dim(const VectorSource& source, const Manifest& manifest, const std::string& index) {
  if (source.dim == manifest.dim) return;
  throw Error(
      fmt::format("{} has vectors of {} values, {} has vectors of {}; use the same columns or "
                  "the same model for both.",
                  source.origin, source.dim, index, manifest.dim));
}

}  // namespace salus::similar
