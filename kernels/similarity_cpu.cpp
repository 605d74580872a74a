#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/similarity_problem.h"

namespace salus::kernels {
namespace {

struct Entry {
  float score;
  std::int64_t id;
};

/// The float32 values of stored row `i`.
void decode_row(const SimilarityRows& rows, std::int64_t i, float* values) {
  const std::int64_t at = i * rows.dim;
  for (int d = 0; d < rows.dim; ++d) {
    switch (rows.type) {
      case RowType::kFloat:
        values[d] = static_cast<const float*>(rows.stored)[at + d];
        break;
      case RowType::kHalf:
        values[d] = to_float(static_cast<const Half*>(rows.stored)[at + d]);
        break;
      case RowType::kBFloat16:
        values[d] = to_float(static_cast<const BFloat16*>(rows.stored)[at + d]);
        break;
      case RowType::kInt8:
        values[d] = rows.scales[i] *
                    static_cast<float>(static_cast<const std::int8_t*>(rows.stored)[at + d]);
        break;
    }
  }
}

void true_row(const SimilarityRows& rows, std::int64_t i, float* values) {
  if (rows.exact != nullptr) {
    std::copy_n(rows.exact + i * rows.dim, rows.dim, values);
  } else {
    decode_row(rows, i, values);
  }
}

float norm_of(const float* values, int dim) {
  const auto at = [=](int d) { return values[d]; };
  return std::sqrt(similarity_dot(dim, at, at));
}

/// The operand of the fast product, x~.
void operand_row(const SimilarityRows& rows, std::int64_t i, float* values) {
  decode_row(rows, i, values);
  if (rows.type == RowType::kInt8) return;
  for (int d = 0; d < rows.dim; ++d) values[d] = to_float(from_float<BFloat16>(values[d]));
}

void prepare_row(const SimilarityRows& rows, std::int64_t i, std::vector<float>& x,
                 std::vector<float>& operand, SimilarityBlockBounds& bounds) {
  true_row(rows, i, x.data());
  operand_row(rows, i, operand.data());
  const float norm = norm_of(x.data(), rows.dim);
  rows.norms[i] = norm;
  const bool takes_part = similarity_takes_part(norm, rows.cosine);
  const float a = rows.cosine ? 1 / norm : rows.l2 ? 2.0f : 1.0f;
  const float scale = rows.type == RowType::kInt8 ? rows.scales[i] : 1.0f;
  rows.multipliers[i] = takes_part ? a * scale : std::numeric_limits<float>::quiet_NaN();
  const auto at = [&](int d) { return x[static_cast<std::size_t>(d)]; };
  if (rows.l2) rows.offsets[i] = 0.0f - similarity_dot(rows.dim, at, at);
  if (!takes_part) return;
  float operand_squares = 0, error_squares = 0;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const float error = x[d] - operand[d];
    operand_squares += operand[d] * operand[d];
    error_squares += error * error;
  }
  bounds.product = std::max(bounds.product, a * norm_above(operand_squares));
  bounds.rounding = std::max(bounds.rounding, a * norm_above(error_squares));
  bounds.norm = std::max(bounds.norm, norm_above(norm * norm));
  bounds.multiplier = std::max(bounds.multiplier, a);
}

void search(const SimilarityProblem& problem, std::int64_t q, std::vector<Entry>& found) {
  const SimilarityRows& rows = problem.rows;
  const float* query = problem.query + q * rows.dim;
  const float query_norm = norm_of(query, rows.dim);
  const std::uint64_t* mask =
      problem.mask == nullptr ? nullptr : problem.mask + q * problem.mask_stride;
  std::vector<float> x(static_cast<std::size_t>(rows.dim));
  const auto query_at = [=](int d) { return query[d]; };
  const auto row_at = [&](int d) { return x[static_cast<std::size_t>(d)]; };
  found.clear();
  if (!similarity_takes_part(query_norm, rows.cosine)) return;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    if (mask != nullptr && (mask[i / 64] >> (i % 64) & 1) == 0) continue;
    if (problem.exclude != nullptr && problem.exclude[q] == i) continue;
    if (!similarity_takes_part(rows.norms[i], rows.cosine)) continue;
    true_row(rows, i, x.data());
    float score = 0;
    if (rows.l2) {
      score = l2_score(similarity_square_distance(rows.dim, query_at, row_at));
    } else {
      score = similarity_dot(rows.dim, query_at, row_at);
      score =
          rows.cosine ? cosine_score(score, query_norm, rows.norms[i]) : inner_product_score(score);
    }
    if (similarity_can_rank(score)) found.push_back({score, i});
  }
}

void answer(const SimilarityProblem& problem, std::int64_t q, std::vector<Entry>& found) {
  const auto kept = std::min(problem.k, static_cast<int>(found.size()));
  std::partial_sort(found.begin(), found.begin() + kept, found.end(),
                    [](const Entry& a, const Entry& b) {
                      return similarity_before(a.score, a.id, b.score, b.id);
                    });
  for (int r = 0; r < problem.k; ++r) {
    const bool there = r < kept;
    problem.scores[q * problem.k + r] =
        there ? found[static_cast<std::size_t>(r)].score : -std::numeric_limits<float>::infinity();
    problem.ids[q * problem.k + r] = there ? found[static_cast<std::size_t>(r)].id : -1;
  }
  problem.certain[q] = true;
  problem.bound[q] = 0;
}

}  // namespace

std::int64_t similarity_cpu_workspace(const SimilarityProblem&) { return 0; }

void similarity_topk_cpu(const SimilarityProblem& problem) {
  at::parallel_for(0, problem.queries, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Entry> found;
    for (std::int64_t q = begin; q < end; ++q) {
      search(problem, q, found);
      answer(problem, q, found);
    }
  });
}

void similarity_prepare_cpu(const SimilarityRows& rows) {
  const std::int64_t blocks = (rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> x(static_cast<std::size_t>(rows.dim)), operand = x;
    for (std::int64_t block = begin; block < end; ++block) {
      SimilarityBlockBounds bounds;
      const std::int64_t last = std::min((block + 1) * kSimilarityBlock, rows.count);
      for (std::int64_t i = block * kSimilarityBlock; i < last; ++i) {
        prepare_row(rows, i, x, operand, bounds);
      }
      rows.bounds[block] = bounds;
    }
  });
}

}  // namespace salus::kernels
