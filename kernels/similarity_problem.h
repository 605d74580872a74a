#pragma once

#include <cstdint>

#include "kernels/similarity_bound.h"
#include "kernels/similarity_math.h"

// What the checks (similarity.cpp) hand to the CPU and CUDA halves: plain pointers on the device.

namespace salus::kernels {

/// Stored types of rows.
enum class RowType : std::uint8_t { kFloat, kHalf, kBFloat16, kInt8 };

/// An index, or for similarity_prepare() the rows and where to put what is worked out.
struct SimilarityRows {
  bool cosine = false;
  bool l2 = false;
  RowType type = RowType::kFloat;
  std::int64_t count = 0;
  int dim = 0;
  const void* stored = nullptr;             ///< [count, dim]
  const float* scales = nullptr;            ///< [count] if int8
  const float* exact = nullptr;             ///< [count, dim] or null
  float* norms = nullptr;                   ///< [count]
  float* multipliers = nullptr;             ///< [count]
  float* offsets = nullptr;                 ///< [count] if l2
  SimilarityBlockBounds* bounds = nullptr;  ///< [ceil(count / kSimilarityBlock)]
};

struct SimilarityProblem {
  SimilarityRows rows;
  std::int64_t queries = 0;
  int k = 0;
  bool exact = true;
  int candidates = 0;                   ///< per query, at least k
  const float* query = nullptr;         ///< [queries, dim]
  const std::uint64_t* mask = nullptr;  ///< null: every row
  std::int64_t mask_stride = 0;         ///< words between the lines of two queries; 0: one for all
  const std::int64_t* exclude = nullptr;  ///< [queries] or null
  float* scores = nullptr;                ///< [queries, k]
  std::int64_t* ids = nullptr;            ///< [queries, k]
  bool* certain = nullptr;                ///< [queries]
  float* bound = nullptr;                 ///< [queries]
  void* workspace = nullptr;
};

std::int64_t similarity_cpu_workspace(const SimilarityProblem& problem);
void similarity_topk_cpu(const SimilarityProblem& problem);
void similarity_prepare_cpu(const SimilarityRows& rows);

/// The launchers of similarity_cuda.cu: "similarity_workspace", "similarity_topk",
/// "similarity_prepare". The workspace is asked for with null pointers.
using SimilarityWorkspaceLaunch = std::int64_t(int device, const SimilarityProblem& problem);
using SimilarityTopkLaunch = void(int device, const SimilarityProblem& problem);
using SimilarityPrepareLaunch = void(int device, const SimilarityRows& rows);

}  // namespace salus::kernels
