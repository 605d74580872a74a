#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/similarity.h"
#include "tests/support/reference/similarity.h"

// What the tests of similarity share, on whichever device.

namespace salus::kernels {

inline constexpr Metric kMetrics[] = {Metric::kInnerProduct, Metric::kCosine, Metric::kL2};

inline reference::Similarity reference_metric(Metric metric) {
  if (metric == Metric::kInnerProduct) return reference::Similarity::kInnerProduct;
  return metric == Metric::kCosine ? reference::Similarity::kCosine : reference::Similarity::kL2;
}

/// Standard normal values from a fixed seed.
inline at::Tensor normal_rows(std::int64_t count, std::int64_t dim, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn({count, dim}, generator, at::kFloat);
}

/// Rows in small whole numbers, so that many scores are equal.
inline at::Tensor tied_rows(std::int64_t count, std::int64_t dim, std::uint64_t seed) {
  return normal_rows(count, dim, seed).round().clamp(-1, 1);
}

/// Rows as they are stored, and an index of them; `exact` keeps the float32 originals beside.
inline SimilarityIndex index_of(const at::Tensor& rows, at::ScalarType type, Metric metric,
                                bool exact = false) {
  const at::Tensor originals = exact ? rows : at::Tensor();
  if (type != at::kChar) return similarity_prepare(rows.to(type), metric, {}, originals);
  const QuantizedRows quantized = similarity_quantize(rows);
  return similarity_prepare(quantized.rows, metric, quantized.scales, originals);
}

/// The float32 values that scores are defined on.
inline at::Tensor true_rows(const SimilarityIndex& index) {
  if (index.exact_rows.defined()) return index.exact_rows.cpu();
  const at::Tensor values = index.rows.cpu().to(at::kFloat);
  return index.scales.defined() ? values * index.scales.cpu().unsqueeze(1) : values;
}

inline std::vector<float> line_of(const at::Tensor& matrix, std::int64_t line) {
  const float* begin = matrix.const_data_ptr<float>() + line * matrix.size(1);
  return {begin, begin + matrix.size(1)};
}

inline bool same_result_bits(const SimilarityResult& a, const SimilarityResult& b) {
  return at::equal(a.scores.cpu().view(at::kInt), b.scores.cpu().view(at::kInt)) &&
         at::equal(a.ids.cpu(), b.ids.cpu());
}

/// Expects the lists of `result` to be the reference's, to the bit. `allowed` per query, or empty.
inline void expect_exact(const SimilarityResult& result, const at::Tensor& queries,
                         const SimilarityIndex& index, std::int64_t k,
                         const std::vector<std::vector<bool>>& allowed = {}) {
  const at::Tensor values = true_rows(index).contiguous();
  std::vector<std::vector<float>> rows;
  for (std::int64_t i = 0; i < values.size(0); ++i) rows.push_back(line_of(values, i));
  const reference::SimilarityTable table(reference_metric(index.metric), std::move(rows));
  const at::Tensor scores = result.scores.cpu(), ids = result.ids.cpu();
  const at::Tensor certain = result.certain.cpu(), bound = result.bound.cpu();
  ASSERT_EQ(scores.sizes(), (std::vector<std::int64_t>{queries.size(0), k}));
  ASSERT_EQ(ids.sizes(), scores.sizes());
  const at::Tensor float_queries = queries.cpu().to(at::kFloat).contiguous();
  int wrong = 0;
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    EXPECT_TRUE(certain[q].item<bool>()) << "query " << q;
    EXPECT_EQ(bound[q].item<float>(), 0) << "query " << q;
    const auto expected =
        table.topk(line_of(float_queries, q), k,
                   allowed.empty() ? std::vector<bool>() : allowed[static_cast<std::size_t>(q)]);
    for (std::int64_t r = 0; r < k; ++r) {
      const float score = scores.const_data_ptr<float>()[q * k + r];
      const std::int64_t id = ids.const_data_ptr<std::int64_t>()[q * k + r];
      const reference::Neighbour& neighbour = expected[static_cast<std::size_t>(r)];
      if (id == neighbour.id && std::memcmp(&score, &neighbour.score, sizeof score) == 0) continue;
      if (++wrong > 5) return;
      ADD_FAILURE() << "query " << q << " rank " << r << ": row " << id << " with " << score
                    << " instead of row " << neighbour.id << " with " << neighbour.score;
    }
  }
}

inline std::string metric_name(Metric metric) {
  return metric == Metric::kInnerProduct ? "InnerProduct"
         : metric == Metric::kCosine     ? "Cosine"
                                         : "L2";
}

}  // namespace salus::kernels
