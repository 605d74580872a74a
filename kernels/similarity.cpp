#include "kernels/similarity.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/similarity_problem.h"

namespace salus::kernels {
namespace {

const CudaLauncher<SimilarityWorkspaceLaunch> workspace_cuda{"similarity_workspace"};
const CudaLauncher<SimilarityTopkLaunch> topk_cuda{"similarity_topk"};
const CudaLauncher<SimilarityPrepareLaunch> prepare_cuda{"similarity_prepare"};

RowType row_type(const at::Tensor& rows) {
  switch (rows.scalar_type()) {
    case at::kFloat:
      return RowType::kFloat;
    case at::kHalf:
      return RowType::kHalf;
    case at::kBFloat16:
      return RowType::kBFloat16;
    case at::kChar:
      return RowType::kInt8;
    default:
      TORCH_CHECK(false, "similarity: rows must be float32, float16, bfloat16 or int8, not ",
                  rows.scalar_type(), ".");
  }
}

/// `what` must be a contiguous tensor of this type and shape, on the device of the rows.
void check_tensor(const char* what, const at::Tensor& tensor, at::ScalarType type,
                  at::IntArrayRef shape, at::Device device) {
  TORCH_CHECK(tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == shape &&
                  tensor.is_contiguous() && tensor.device() == device,
              "similarity: ", what, " must be a contiguous ", type, " tensor of shape ", shape,
              " on ", device, ", not ",
              tensor.defined()
                  ? c10::str(tensor.scalar_type(), " ", tensor.sizes(), " on ", tensor.device())
                  : std::string("undefined"),
              ".");
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kSimilarityBlock - 1) / kSimilarityBlock;
}

void check_rows(const at::Tensor& rows, const at::Tensor& scales, const at::Tensor& exact_rows) {
  TORCH_CHECK(rows.defined() && rows.dim() == 2, "similarity: rows must be [N, D], not of ",
              rows.defined() ? rows.dim() : 0, " dimensions.");
  const RowType type = row_type(rows);
  TORCH_CHECK(rows.size(1) >= 1 && rows.size(1) <= kLargestSimilarityDim,
              "similarity: rows must have 1 to ", kLargestSimilarityDim, " values, not ",
              rows.size(1), ".");
  TORCH_CHECK(rows.is_contiguous(), "similarity: rows must be contiguous.");
  TORCH_CHECK(rows.is_cpu() || rows.is_cuda(),
              "similarity: rows must be on the CPU or a CUDA device, not on ", rows.device(), ".");
  if (type == RowType::kInt8) {
    check_tensor("scales", scales, at::kFloat, {rows.size(0)}, rows.device());
  } else {
    TORCH_CHECK(!scales.defined(), "similarity: scales are for int8 rows only.");
  }
  if (exact_rows.defined()) {
    check_tensor("exact_rows", exact_rows, at::kFloat, rows.sizes(), rows.device());
  }
}

void check_prepared(const SimilarityIndex& index) {
  check_rows(index.rows, index.scales, index.exact_rows);
  const at::Device device = index.rows.device();
  TORCH_CHECK(index.norms.defined(),
              "similarity: the index is not prepared; make it by similarity_prepare().");
  check_tensor("norms", index.norms, at::kFloat, {index.size()}, device);
  check_tensor("multipliers", index.multipliers, at::kFloat, {index.size()}, device);
  check_tensor("bounds", index.bounds, at::kFloat, {blocks_of(index.size()), 4}, device);
  if (index.metric == Metric::kL2) {
    check_tensor("offsets", index.offsets, at::kFloat, {index.size()}, device);
  }
}

void check_options(const SimilarityOptions& options) {
  TORCH_CHECK(options.k >= 1 && options.k <= kLargestSimilarityK, "similarity: k must be 1 to ",
              kLargestSimilarityK, ", not ", options.k, ".");
  TORCH_CHECK(options.overfetch >= 1 && options.overfetch <= 1e6,
              "similarity: overfetch must be 1 to 1e6, not ", options.overfetch, ".");
}

void check_queries(const at::Tensor& queries, const SimilarityIndex& index) {
  TORCH_CHECK(queries.defined() && queries.dim() == 2 && queries.size(1) == index.dim(),
              "similarity: queries must be [Q, ", index.dim(), "] as the index has rows, not ",
              queries.defined() ? c10::str(queries.sizes()) : std::string("undefined"), ".");
  TORCH_CHECK(queries.device() == index.rows.device(), "similarity: queries are on ",
              queries.device(), ", the index is on ", index.rows.device(), ".");
}

void check_filter(const SimilarityFilter& filter, std::int64_t queries,
                  const SimilarityIndex& index) {
  const std::int64_t words = (index.size() + 63) / 64;
  if (filter.mask.defined()) {
    if (filter.mask.dim() == 2) {
      check_tensor("mask", filter.mask, at::kLong, {queries, words}, index.rows.device());
    } else {
      check_tensor("mask", filter.mask, at::kLong, {words}, index.rows.device());
    }
  }
  if (filter.exclude.defined()) {
    check_tensor("exclude", filter.exclude, at::kLong, {queries}, index.rows.device());
  }
}

float* floats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

SimilarityRows rows_of(const SimilarityIndex& index) {
  SimilarityRows rows;
  rows.cosine = index.metric == Metric::kCosine;
  rows.l2 = index.metric == Metric::kL2;
  rows.type = row_type(index.rows);
  rows.count = index.size();
  rows.dim = static_cast<int>(index.dim());
  rows.stored = index.rows.const_data_ptr();
  rows.scales = index.scales.defined() ? index.scales.const_data_ptr<float>() : nullptr;
  rows.exact = index.exact_rows.defined() ? index.exact_rows.const_data_ptr<float>() : nullptr;
  rows.norms = floats(index.norms);
  rows.multipliers = floats(index.multipliers);
  rows.offsets = floats(index.offsets);
  rows.bounds = reinterpret_cast<SimilarityBlockBounds*>(floats(index.bounds));
  return rows;
}

SimilarityProblem problem_of(std::int64_t queries, const SimilarityIndex& index,
                             const SimilarityOptions& options) {
  SimilarityProblem problem;
  problem.rows = rows_of(index);
  problem.queries = queries;
  problem.k = static_cast<int>(options.k);
  problem.exact = options.exact;
  // More than there are rows would only cost memory.
  const double most = static_cast<double>(std::max(index.size(), options.k));
  problem.candidates = static_cast<int>(
      std::min(std::ceil(options.overfetch * static_cast<double>(options.k)), most));
  return problem;
}

void point_at_filter(const SimilarityFilter& filter, SimilarityProblem& problem) {
  if (filter.mask.defined()) {
    problem.mask =
        reinterpret_cast<const std::uint64_t*>(filter.mask.const_data_ptr<std::int64_t>());
    problem.mask_stride = filter.mask.dim() == 2 ? filter.mask.size(1) : 0;
  }
  if (filter.exclude.defined()) problem.exclude = filter.exclude.const_data_ptr<std::int64_t>();
}

void point_at_result(const SimilarityResult& result, SimilarityProblem& problem) {
  problem.scores = result.scores.mutable_data_ptr<float>();
  problem.ids = result.ids.mutable_data_ptr<std::int64_t>();
  problem.certain = result.certain.mutable_data_ptr<bool>();
  problem.bound = result.bound.mutable_data_ptr<float>();
}

SimilarityResult empty_result(std::int64_t queries, std::int64_t k, at::Device device) {
  const auto on = at::TensorOptions().device(device);
  return {at::empty({queries, k}, on.dtype(at::kFloat)),
          at::empty({queries, k}, on.dtype(at::kLong)), at::empty({queries}, on.dtype(at::kBool)),
          at::empty({queries}, on.dtype(at::kFloat))};
}

}  // namespace

SimilarityIndex similarity_prepare(const at::Tensor& rows, Metric metric, const at::Tensor& scales,
                                   const at::Tensor& exact_rows) {
  check_rows(rows, scales, exact_rows);
  SimilarityIndex index{metric, rows, scales, exact_rows, {}, {}, {}, {}};
  const auto on = at::TensorOptions(at::kFloat).device(rows.device());
  index.norms = at::empty({index.size()}, on);
  index.multipliers = at::empty({index.size()}, on);
  if (metric == Metric::kL2) index.offsets = at::empty({index.size()}, on);
  index.bounds = at::empty({blocks_of(index.size()), 4}, on);
  if (index.size() == 0) return index;
  if (rows.is_cuda()) {
    prepare_cuda(rows.device().index(), rows_of(index));
  } else {
    similarity_prepare_cpu(rows_of(index));
  }
  return index;
}

std::int64_t similarity_workspace_bytes(std::int64_t queries, const SimilarityIndex& index,
                                        const SimilarityOptions& options) {
  check_prepared(index);
  check_options(options);
  TORCH_CHECK(queries >= 0, "similarity: there cannot be ", queries, " queries.");
  if (queries == 0) return 0;
  const SimilarityProblem problem = problem_of(queries, index, options);
  return index.rows.is_cuda() ? workspace_cuda(index.rows.device().index(), problem)
                              : similarity_cpu_workspace(problem);
}

void similarity_topk_out(const at::Tensor& queries, const SimilarityIndex& index,
                         const SimilarityOptions& options, const SimilarityFilter& filter,
                         const SimilarityResult& result, const at::Tensor& workspace) {
  const std::int64_t bytes = similarity_workspace_bytes(
      queries.defined() && queries.dim() > 0 ? queries.size(0) : 0, index, options);
  check_queries(queries, index);
  const at::Device device = index.rows.device();
  const std::int64_t count = queries.size(0);
  check_tensor("queries", queries, at::kFloat, {count, index.dim()}, device);
  check_filter(filter, count, index);
  check_tensor("result.scores", result.scores, at::kFloat, {count, options.k}, device);
  check_tensor("result.ids", result.ids, at::kLong, {count, options.k}, device);
  check_tensor("result.certain", result.certain, at::kBool, {count}, device);
  check_tensor("result.bound", result.bound, at::kFloat, {count}, device);
  if (count == 0) return;
  TORCH_CHECK(workspace.defined() && workspace.scalar_type() == at::kByte &&
                  workspace.is_contiguous() && workspace.device() == device &&
                  workspace.numel() >= bytes,
              "similarity: the workspace must be contiguous uint8 of at least ", bytes,
              " bytes on ", device, ".");
  TORCH_CHECK(reinterpret_cast<std::uintptr_t>(workspace.const_data_ptr()) % 64 == 0,
              "similarity: the workspace must begin at a multiple of 64 bytes.");
  SimilarityProblem problem = problem_of(count, index, options);
  problem.query = queries.const_data_ptr<float>();
  problem.workspace = workspace.mutable_data_ptr();
  point_at_filter(filter, problem);
  point_at_result(result, problem);
  if (device.is_cuda()) {
    topk_cuda(device.index(), problem);
  } else {
    similarity_topk_cpu(problem);
  }
}

SimilarityResult similarity_topk(const at::Tensor& queries, const SimilarityIndex& index,
                                 const SimilarityOptions& options, const SimilarityFilter& filter) {
  check_prepared(index);
  check_options(options);
  check_queries(queries, index);
  const auto type = queries.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kHalf || type == at::kBFloat16,
              "similarity: queries must be float32, float16 or bfloat16, not ", type, ".");
  const std::int64_t bytes = similarity_workspace_bytes(queries.size(0), index, options);
  const at::Device device = index.rows.device();
  const SimilarityResult result = empty_result(queries.size(0), options.k, device);
  const at::Tensor workspace = at::empty({bytes}, at::TensorOptions(at::kByte).device(device));
  similarity_topk_out(queries.to(at::kFloat).contiguous(), index, options, filter, result,
                      workspace);
  return result;
}

}  // namespace salus::kernels
