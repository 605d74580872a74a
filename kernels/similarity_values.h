#pragma once

#include "kernels/similarity_hits.h"

// What the CPU does with single rows: float32 values, documented sums, norms and bounds.

namespace salus::kernels {

/// The float32 values of stored row `i` (not of `exact`), into values[dim].
void decode_row(const SimilarityRows& rows, std::int64_t i, float* values);

/// squares(x) of similarity_math.h.
float documented_squares(const float* values, int dim);

/// The sum of fma(e_d, e_d) of similarity_math.h, e = a - b.
float documented_square_distance(const float* a, const float* b, int dim);

/// bfloat16 of `values`; returns an upper bound of the norm of what rounding took away.
float round_to_bfloat16(const float* values, int dim, BFloat16* rounded);

/// sums[d] += points[member * stride + d] for each of `count` members in turn, d < columns.
void add_rows(const float* points, std::int64_t stride, const std::int64_t* members,
              std::int64_t count, int columns, double* sums);

/// Replaces the bounds of hits that are not scored yet by their scores; drops those that cannot
/// rank (similarity_math.h). Returns how many are left.
int score_hits(const SimilarityRows& rows, const QueryPlan& query, Hit* hits, int count);

/// errors[q] = similarity_error(q, block), thresholds[q] = floors[q] - errors[q], for q < count,
/// which is a multiple of kTileQueries.
void block_thresholds(const ChunkBounds& chunk, const SimilarityBlockBounds& block,
                      const float* floors, int count, float* errors, float* thresholds);

}  // namespace salus::kernels
