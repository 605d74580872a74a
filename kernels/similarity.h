#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salus::kernels {

/// What a score is; more is nearer in every case.
enum class Metric {
  kInnerProduct,  ///< q . x
  kCosine,        ///< q . x / (|q| |x|)
  kL2             ///< -|q - x|^2, the negative squared distance
};

/// Rows to search, with what similarity_prepare() has worked out about them. All tensors are
/// contiguous and on one device. Copies share the rows.
///
/// A row's value x is its line of `exact_rows`, or without those the stored row itself (int8:
/// float32 scale * stored). A row takes part in the search if its float32 norm is finite (NaN,
/// infinite and overflowing rows never do) and, for cosine, at least kSmallestNorm.
struct SimilarityIndex {
  Metric metric = Metric::kInnerProduct;
  at::Tensor rows;        ///< float32, float16, bfloat16 or int8 [N, D]
  at::Tensor scales;      ///< float32 [N] for int8, or else undefined
  at::Tensor exact_rows;  ///< float32 [N, D], or undefined: the stored rows are the truth

  at::Tensor norms;        ///< float32 [N]: |x|, in the summation order of similarity_math.h
  at::Tensor multipliers;  ///< float32 [N] and
  at::Tensor offsets;      ///< float32 [N] (kL2 only): see similarity_bound.h
  at::Tensor bounds;       ///< float32 [ceil(N / kSimilarityBlock), 4]: see similarity_bound.h

  std::int64_t size() const { return rows.defined() ? rows.size(0) : 0; }
  std::int64_t dim() const { return rows.defined() ? rows.size(1) : 0; }
};

inline constexpr std::int64_t kLargestSimilarityDim = 4096;
inline constexpr std::int64_t kLargestSimilarityK = 1024;

/// Works out norms and error bounds of rows, once per index; reads each row once.
///
/// \param rows        float32, float16, bfloat16 or int8 [N, D], contiguous, 1 <= D <= 4096, N >=
/// 0;
///                    CPU or CUDA.
/// \param scales      float32 [N] for int8, undefined otherwise; value = scale * stored.
/// \param exact_rows  float32 [N, D], what `rows` were rounded from; or undefined. Scores and order
///                    are those of `exact_rows` then; the stored rows only find candidates.
/// \throws c10::Error for other dtypes, shapes, layouts or devices.
SimilarityIndex similarity_prepare(const at::Tensor& rows, Metric metric,
                                   const at::Tensor& scales = {},
                                   const at::Tensor& exact_rows = {});

/// int8 rows and their scales: scale = max|x| / 127, stored = round(x / scale) to nearest, ties to
/// even. A row of zeros has scale 0; a row with a NaN or infinity has scale NaN, and is never
/// found.
///
/// \param rows  float32, float16 or bfloat16 [N, D], contiguous; CPU or CUDA.
struct QuantizedRows {
  at::Tensor rows;    ///< int8 [N, D]
  at::Tensor scales;  ///< float32 [N]
};
QuantizedRows similarity_quantize(const at::Tensor& rows);

struct SimilarityOptions {
  std::int64_t k = 10;  ///< 1 to kLargestSimilarityK
  /// True: the answer is the top-k of the float32 scores, whatever that takes. False: one
  /// approximate pass and one re-score; `certain` tells which queries are exact all the same.
  bool exact = true;
  /// Candidates that the approximate pass may keep per query, as a multiple of k; at least 1.
  double overfetch = 4;
};

/// Which rows may be found.
struct SimilarityFilter {
  /// int64 words [ceil(N / 64)] for all queries, or [Q, ceil(N / 64)] one line per query: row i may
  /// be found if bit i % 64 of word i / 64 is 1 (bits from N on are ignored). Undefined: every row.
  at::Tensor mask;
  /// int64 [Q]: one row that this query must not find (itself, say); -1 for none. Or undefined.
  at::Tensor exclude;
};

/// Rank r of query q is [q][r]: descending score, and where scores are equal ascending id. Where
/// fewer than k rows can be found, the tail has id -1 and score -inf.
struct SimilarityResult {
  at::Tensor scores;   ///< float32 [Q, k]
  at::Tensor ids;      ///< int64 [Q, k]: row numbers
  at::Tensor certain;  ///< bool [Q]: no row that was left out could belong into the list
  at::Tensor bound;    ///< float32 [Q]: by how much a row that was left out could exceed the last
                       ///< score of the list; 0 if certain
};

/// The k best rows for each query, found without ever writing the Q x N scores.
///
/// Scores are float32 sums in one order (similarity_math.h), the same bits on every device and
/// instruction set. With `exact` the whole answer is a function of query, rows, metric, k and
/// filter alone: the same bits in every batch size, split, thread count and on every device, and
/// every query is certain. Rows whose score would be NaN or -inf are never found; a query with a
/// NaN or infinity (cosine: or of norm below kSmallestNorm) finds nothing and is certain.
///
/// Approximate scores come from products of bfloat16 (rows in int8: of int8), as fast as the device
/// has them; a rigorous bound on their error (similarity_bound.h) decides what must be re-scored.
///
/// On CUDA it runs on the current stream and does not wait for it; products are of the rows as they
/// are stored (float32 rows: of TF32), and fewer than overfetch * k candidates may be kept. `exact`
/// costs at most one more pass over the rows for every 8 queries that the first pass left uncertain,
/// and none if it left none: the device decides.
///
/// \param queries  float32, float16 or bfloat16 [Q, D], on the index's device; Q >= 0.
/// \throws c10::Error for other dtypes, shapes, devices or options, an index that was not prepared,
///         a filter not as above, or on CUDA an index of 2^32 rows or more.
SimilarityResult similarity_topk(const at::Tensor& queries, const SimilarityIndex& index,
                                 const SimilarityOptions& options = {},
                                 const SimilarityFilter& filter = {});

/// Bytes of working memory that similarity_topk_out() needs for `queries` queries; on the CPU it
/// grows with at::get_num_threads(), and does not depend on N.
std::int64_t similarity_workspace_bytes(std::int64_t queries, const SimilarityIndex& index,
                                        const SimilarityOptions& options = {});

/// The same into memory of the caller; allocates nothing, and may be captured in a CUDA graph.
///
/// \param queries    float32 [Q, D], contiguous.
/// \param result     as similarity_topk() returns it, contiguous, on the index's device.
/// \param workspace  uint8 [at least similarity_workspace_bytes()], 64-byte aligned, on the device.
/// \throws c10::Error as similarity_topk() does, or if `result` or `workspace` is not as above.
void similarity_topk_out(const at::Tensor& queries, const SimilarityIndex& index,
                         const SimilarityOptions& options, const SimilarityFilter& filter,
                         const SimilarityResult& result, const at::Tensor& workspace);

/// The k best of several lists for the same queries: parts of an index that were searched one by
/// one or on several devices. Each list has ids of the whole index; no id may be in two lists.
///
/// A row left out of part s scores at most (last score of s) + (bound of s), which gives the bound
/// of the merged list.
///
/// \param parts  at least one; [Q, k_s] each, on the CPU.
/// \param k      1 to kLargestSimilarityK.
/// \throws c10::Error if the parts differ in Q or are not as similarity_topk() returns them.
SimilarityResult similarity_merge(const std::vector<SimilarityResult>& parts, std::int64_t k);

}  // namespace salus::kernels
