#include "engine/similar/sharded.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <fmt/core.h>

#include <algorithm>

#include "engine/io/error.h"

namespace salus::similar {
namespace {

constexpr int kAttempts = 5;

/// The 32-bit words of a result, a line per query: ids (two each), scores, certain, bound.
at::Tensor pack(const kernels::SimilarityResult& result) {
  const std::int64_t queries = result.ids.size(0);
  return at::cat({result.ids.view(at::kInt), result.scores.view(at::kInt),
                  result.certain.to(at::kInt).view({queries, 1}),
                  result.bound.view(at::kInt).view({queries, 1})},
                 1);
}

/// \param words  [Q, 3 k + 2]
kernels::SimilarityResult unpack(const at::Tensor& words, std::int64_t k) {
  // Copies, because what is read as int64 must begin at a multiple of two words.
  const auto columns = [&](std::int64_t first, std::int64_t count) {
    return words.narrow(1, first, count).clone(at::MemoryFormat::Contiguous);
  };
  return {columns(2 * k, k).view(at::kFloat), columns(0, 2 * k).view(at::kLong),
          columns(3 * k, 1).flatten().to(at::kBool),
          columns(3 * k + 1, 1).view(at::kFloat).flatten()};
}

}  // namespace

kernels::SimilarityResult merge_all(const std::vector<kernels::SimilarityResult>& parts,
                                    std::int64_t k) {
  return parts.size() == 1 ? parts[0] : kernels::similarity_merge(parts, k);
}

std::vector<kernels::SimilarityResult> gather_results(const ProcessGroup& group,
                                                      const kernels::SimilarityResult& own,
                                                      at::Device device) {
  const std::int64_t k = own.ids.size(1);
  const at::Tensor all = group.all_gather(pack(own).to(device)).cpu();
  std::vector<kernels::SimilarityResult> results;
  for (int rank = 0; rank < group.size(); ++rank) results.push_back(unpack(all[rank], k));
  return results;
}

Index open_together(const std::string& path, const ProcessGroup& group) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Index index = Index::open(path);
    if (group.size() == 1) return index;
    const at::Tensor seen = group.all_gather(at::full({1}, index.manifest().generation, at::kLong));
    const auto* first = seen.const_data_ptr<std::int64_t>();
    if (std::all_of(first, first + group.size(), [&](std::int64_t g) { return g == *first; })) {
      return index;
    }
  }
  throw Error(fmt::format(
      "The processes see different states of {}; run again when nobody writes it, and make sure "
      "that it is the same folder on all machines.",
      path));
}

}  // namespace salus::similar
