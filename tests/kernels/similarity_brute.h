#pragma once

#include "tests/kernels/similarity_emulated.h"

// Every row scored by the documented order (kernels/similarity_math.h) and sorted: the list that an
// exact search must give to the bit. And random data.
namespace salus::kernels::similarity {

template <typename T>
float true_value(const Search<T>& search, std::int64_t row, int d) {
  const auto at = static_cast<std::size_t>(row * search.dim + d);
  if (!search.exact_rows.empty()) return search.exact_rows[at];
  if constexpr (std::is_same_v<T, std::int8_t>) {
    return search.scales[static_cast<std::size_t>(row)] * static_cast<float>(search.rows[at]);
  } else {
    return to_float(search.rows[at]);
  }
}

/// NaN if the row or the query takes no part.
template <typename T>
float true_score(const Search<T>& search, std::int64_t query, std::int64_t row) {
  const auto q = [&](int d) {
    return search.queries[static_cast<std::size_t>(query * search.dim + d)];
  };
  const auto x = [&](int d) { return true_value(search, row, d); };
  const float query_norm = std::sqrt(similarity_dot(search.dim, q, q));
  const float row_norm = std::sqrt(similarity_dot(search.dim, x, x));
  const bool cosine = search.kind == Kind::kCosine;
  if (!similarity_takes_part(query_norm, cosine) || !similarity_takes_part(row_norm, cosine)) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (search.kind == Kind::kL2) return l2_score(similarity_square_distance(search.dim, q, x));
  const float dot = similarity_dot(search.dim, q, x);
  return cosine ? cosine_score(dot, query_norm, row_norm) : inner_product_score(dot);
}

template <typename T>
bool may_be_found(const Search<T>& search, std::int64_t query, std::int64_t row) {
  if (!search.exclude.empty() && search.exclude[static_cast<std::size_t>(query)] == row) {
    return false;
  }
  if (search.mask.empty()) return true;
  const std::int64_t words = (search.row_count() + 63) / 64;
  const std::int64_t line = search.mask_per_query ? query * words : 0;
  return (search.mask[static_cast<std::size_t>(line + row / 64)] >> (row % 64) & 1) != 0;
}

/// (score, id) of the k best, padded by (-inf, -1).
template <typename T>
std::vector<std::pair<float, std::int64_t>> brute_force(const Search<T>& search,
                                                        std::int64_t query) {
  std::vector<std::pair<float, std::int64_t>> all;
  for (std::int64_t row = 0; row < search.row_count(); ++row) {
    if (!may_be_found(search, query, row)) continue;
    const float score = true_score(search, query, row);
    if (similarity_can_rank(score)) all.emplace_back(score, row);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return similarity_before(a.first, a.second, b.first, b.second);
  });
  all.resize(static_cast<std::size_t>(search.k), {-std::numeric_limits<float>::infinity(), -1});
  return all;
}

/// The score by the textbook formula in float64.
template <typename T>
double score64(const Search<T>& search, std::int64_t query, std::int64_t row) {
  double dot = 0, query_squares = 0, row_squares = 0, distance = 0;
  for (int d = 0; d < search.dim; ++d) {
    const double q = search.queries[static_cast<std::size_t>(query * search.dim + d)];
    const double x = true_value(search, row, d);
    dot += q * x;
    query_squares += q * q;
    row_squares += x * x;
    distance += (q - x) * (q - x);
  }
  if (search.kind == Kind::kL2) return -distance;
  return search.kind == Kind::kCosine ? dot / std::sqrt(query_squares * row_squares) : dot;
}

/// Every query's list is the brute-force one to the bit, and certain.
template <typename T>
void expect_exact(const Search<T>& search, const Found& found) {
  for (std::int64_t q = 0; q < search.query_count(); ++q) {
    const auto expected = brute_force(search, q);
    for (int r = 0; r < search.k; ++r) {
      const auto at = static_cast<std::size_t>(q * search.k + r);
      ASSERT_EQ(found.ids[at], expected[static_cast<std::size_t>(r)].second)
          << "query " << q << ", rank " << r << ", score " << found.scores[at] << " against "
          << expected[static_cast<std::size_t>(r)].first;
      ASSERT_EQ(std::memcmp(&found.scores[at], &expected[static_cast<std::size_t>(r)].first, 4), 0)
          << "query " << q << ", rank " << r;
    }
    ASSERT_TRUE(found.certain[static_cast<std::size_t>(q)]) << "query " << q;
    ASSERT_EQ(found.bound[static_cast<std::size_t>(q)], 0.0f) << "query " << q;
  }
}

/// Normal values of deviation 1, rounded to T (int8: quantised by the row's largest).
template <typename T>
Search<T> random_search(Kind kind, int queries, int rows, int dim, int k, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Search<T> search;
  search.kind = kind;
  search.dim = dim;
  search.k = k;
  search.candidates = 4 * k;
  for (int i = 0; i < queries * dim; ++i) search.queries.push_back(normal(random));
  for (int row = 0; row < rows; ++row) {
    std::vector<float> values(static_cast<std::size_t>(dim));
    for (float& value : values) value = normal(random);
    if constexpr (std::is_same_v<T, std::int8_t>) {
      float largest = 0;
      for (const float value : values) largest = std::max(largest, std::abs(value));
      search.scales.push_back(largest / 127);
      for (const float value : values) {
        search.rows.push_back(static_cast<T>(std::nearbyint(value / search.scales.back())));
      }
    } else {
      for (const float value : values) search.rows.push_back(from_float<T>(value));
    }
  }
  return search;
}

}  // namespace salus::kernels::similarity
