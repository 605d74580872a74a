// Lists of parts of an index -> lists of the whole.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/similarity.h"
#include "kernels/similarity_math.h"

namespace salus::kernels {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Entry {
  float score;
  std::int64_t id;
};

std::int64_t check_part(const SimilarityResult& part, std::int64_t queries) {
  TORCH_CHECK(part.scores.defined() && part.scores.is_cpu() && part.scores.dim() == 2 &&
                  part.scores.scalar_type() == at::kFloat && part.scores.is_contiguous() &&
                  part.ids.defined() && part.ids.is_cpu() && part.ids.scalar_type() == at::kLong &&
                  part.ids.sizes() == part.scores.sizes() && part.ids.is_contiguous() &&
                  part.certain.defined() && part.certain.scalar_type() == at::kBool &&
                  part.bound.defined() && part.bound.scalar_type() == at::kFloat &&
                  part.certain.is_cpu() && part.bound.is_cpu() && part.certain.is_contiguous() &&
                  part.bound.is_contiguous() && part.certain.dim() == 1 && part.bound.dim() == 1 &&
                  part.certain.size(0) == part.scores.size(0) &&
                  part.bound.size(0) == part.scores.size(0),
              "similarity_merge: a part is not as similarity_topk() returns it, on the CPU.");
  TORCH_CHECK(queries < 0 || part.scores.size(0) == queries, "similarity_merge: a part has ",
              part.scores.size(0), " queries, the first one has ", queries, ".");
  return part.scores.size(0);
}

void merge_query(const std::vector<SimilarityResult>& parts, std::int64_t query, std::int64_t k,
                 std::vector<Entry>& entries, const SimilarityResult& result) {
  entries.clear();
  float left_out = kNothing;  // the best that a row in no list may score
  bool certain = true;
  for (const SimilarityResult& part : parts) {
    const std::int64_t size = part.scores.size(1);
    const float* scores = part.scores.const_data_ptr<float>() + query * size;
    const std::int64_t* ids = part.ids.const_data_ptr<std::int64_t>() + query * size;
    for (std::int64_t r = 0; r < size && ids[r] >= 0; ++r) entries.push_back({scores[r], ids[r]});
    if (!part.certain.const_data_ptr<bool>()[query]) {
      certain = false;
      left_out = std::max(left_out, scores[size - 1] + part.bound.const_data_ptr<float>()[query]);
    } else if (size < k && size > 0 && ids[size - 1] >= 0) {
      certain = false;  // a row after the end of this list may belong into the longer one
      left_out = std::max(left_out, scores[size - 1]);
    }
  }
  const auto kept = std::min<std::int64_t>(k, static_cast<std::int64_t>(entries.size()));
  std::partial_sort(entries.begin(), entries.begin() + kept, entries.end(),
                    [](const Entry& a, const Entry& b) {
                      return similarity_before(a.score, a.id, b.score, b.id);
                    });
  float* scores = result.scores.mutable_data_ptr<float>() + query * k;
  std::int64_t* ids = result.ids.mutable_data_ptr<std::int64_t>() + query * k;
  for (std::int64_t r = 0; r < k; ++r) {
    scores[r] = r < kept ? entries[static_cast<std::size_t>(r)].score : kNothing;
    ids[r] = r < kept ? entries[static_cast<std::size_t>(r)].id : -1;
  }
  certain = certain || left_out < scores[k - 1];
  result.certain.mutable_data_ptr<bool>()[query] = certain;
  result.bound.mutable_data_ptr<float>()[query] =
      certain ? 0.0f : std::max(left_out - scores[k - 1], 0.0f);
}

}  // namespace

SimilarityResult similarity_merge(const std::vector<SimilarityResult>& parts, std::int64_t k) {
  TORCH_CHECK(!parts.empty(), "similarity_merge: there must be at least one part.");
  TORCH_CHECK(k >= 1 && k <= kLargestSimilarityK, "similarity_merge: k must be 1 to ",
              kLargestSimilarityK, ", not ", k, ".");
  std::int64_t queries = -1;
  for (const SimilarityResult& part : parts) queries = check_part(part, queries);
  const SimilarityResult result{at::empty({queries, k}, at::kFloat),
                                at::empty({queries, k}, at::kLong), at::empty({queries}, at::kBool),
                                at::empty({queries}, at::kFloat)};
  at::parallel_for(0, queries, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Entry> entries;
    for (std::int64_t q = begin; q < end; ++q) merge_query(parts, q, k, entries, result);
  });
  return result;
}

}  // namespace salus::kernels
