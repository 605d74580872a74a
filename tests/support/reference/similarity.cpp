#include "tests/support/reference/similarity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace salus::reference {
namespace {

/// Element d of the sum is a[d] * b[d]; partial sum d % 32 takes it, halves are added at the end.
float ordered_sum(const std::vector<float>& a, const std::vector<float>& b) {
  std::array<float, 32> partial{};
  for (std::size_t d = 0; d < a.size(); ++d)
    partial[d % 32] = std::fma(a[d], b[d], partial[d % 32]);
  for (std::size_t half : {16, 8, 4, 2, 1}) {
    for (std::size_t j = 0; j < half; ++j) partial[j] = partial[j] + partial[j + half];
  }
  return partial[0];
}

bool usable(Similarity metric, const std::vector<float>& vector) {
  const float norm = std::sqrt(ordered_sum(vector, vector));
  return std::isfinite(norm) && (metric != Similarity::kCosine || norm >= std::ldexp(1.0f, -50));
}

}  // namespace

double similarity(Similarity metric, const std::vector<double>& query,
                  const std::vector<double>& row) {
  double dot = 0, query_square = 0, row_square = 0, distance = 0;
  for (std::size_t d = 0; d < query.size(); ++d) {
    dot += query[d] * row[d];
    query_square += query[d] * query[d];
    row_square += row[d] * row[d];
    distance += (query[d] - row[d]) * (query[d] - row[d]);
  }
  if (metric == Similarity::kInnerProduct) return dot;
  if (metric == Similarity::kL2) return -distance;
  return dot / std::sqrt(query_square * row_square);
}

float similarity_bits(Similarity metric, const std::vector<float>& query,
                      const std::vector<float>& row) {
  if (metric == Similarity::kL2) {
    std::vector<float> difference(query.size());
    for (std::size_t d = 0; d < query.size(); ++d) difference[d] = query[d] - row[d];
    return 0.0f - ordered_sum(difference, difference);
  }
  const float dot = ordered_sum(query, row);
  if (metric == Similarity::kInnerProduct) return dot + 0.0f;
  const float norms = std::sqrt(ordered_sum(query, query)) * std::sqrt(ordered_sum(row, row));
  return dot / norms + 0.0f;
}

SimilarityTable::SimilarityTable(Similarity metric, std::vector<std::vector<float>> rows)
    : metric_(metric), rows_(std::move(rows)) {
  for (const auto& row : rows_) usable_.push_back(usable(metric, row));
}

std::vector<Neighbour> SimilarityTable::topk(const std::vector<float>& query, std::int64_t k,
                                             const std::vector<bool>& allowed) const {
  std::vector<Neighbour> found;
  const bool answered = usable(metric_, query);
  for (std::size_t i = 0; answered && i < rows_.size(); ++i) {
    if (!usable_[i] || (!allowed.empty() && !allowed[i])) continue;
    const float score = similarity_bits(metric_, query, rows_[i]);
    if (std::isnan(score) || score == -std::numeric_limits<float>::infinity()) continue;
    found.push_back({score, static_cast<std::int64_t>(i)});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Neighbour& a, const Neighbour& b) { return a.score > b.score; });
  found.resize(static_cast<std::size_t>(k), {-std::numeric_limits<float>::infinity(), -1});
  return found;
}

}  // namespace salus::reference
