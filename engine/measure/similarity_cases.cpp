#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "engine/measure/similarity_model.h"
#include "kernels/similarity.h"
#include "kernels/similarity_cost.h"
#include "kernels/similarity_scan_plan_build.h"

namespace salus::measure {
namespace {

constexpr std::int64_t kBest = 10;

/// The best kBest of `count` rows, with the default options.
kernels::SimilarityProblem topk_problem(std::int64_t queries, std::int64_t count, std::int64_t dim,
                                        kernels::RowType type) {
  kernels::SimilarityProblem asked;
  asked.queries = queries;
  asked.k = kBest;
  asked.candidates = 4 * kBest;
  asked.rows.type = type;
  asked.rows.count = count;
  asked.rows.dim = static_cast<int>(dim);
  return asked;
}

KernelCase topk_case(const std::string& problem, std::int64_t queries, std::int64_t count,
                     std::int64_t dim, at::ScalarType dtype) {
  const auto asked =
      topk_problem(queries, count, dim,
                   dtype == at::kChar ? kernels::RowType::kInt8 : kernels::RowType::kBFloat16);
  KernelCase made{problem, {}, {}};
  made.cost = kernels::similarity::similarity_cost(
      asked, kernels::similarity::plan_search(asked, kLimits, /*vectors=*/true));
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto values = made_up_rows(count, dim).to(device);
    kernels::SimilarityIndex index;
    if (dtype == at::kChar) {
      const auto quantized = kernels::similarity_quantize(values);
      index = kernels::similarity_prepare(quantized.rows, kernels::Metric::kInnerProduct,
                                          quantized.scales);
    } else {
      index = kernels::similarity_prepare(values.to(dtype), kernels::Metric::kInnerProduct);
    }
    const auto asking = values.slice(0, 0, queries).contiguous();
    return [=] { kernels::similarity_topk(asking, index, {.k = kBest}); };
  };
  return made;
}

/// Each row is there so often that the first pass cannot keep all that are equally good: every
/// query needs the second one, which re-scores the copies of one row for it.
KernelCase uncertain_case(const std::string& problem, std::int64_t queries, std::int64_t count,
                          std::int64_t copies, std::int64_t dim) {
  const auto asked = topk_problem(queries, count, dim, kernels::RowType::kBFloat16);
  const auto plan = kernels::similarity::plan_search(asked, kLimits, /*vectors=*/true);
  KernelCase made{problem, {}, {}};
  made.cost = kernels::similarity::similarity_cost(asked, plan);
  made.cost += kernels::similarity::similarity_second_cost(
      asked, plan, {.queries = queries, .rescored = copies});
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto once = made_up_rows(count / copies, dim).to(device);
    const auto index = kernels::similarity_prepare(once.to(at::kBFloat16).repeat({copies, 1}),
                                                   kernels::Metric::kInnerProduct);
    const auto asking = once.slice(0, 0, queries).contiguous();
    return [=] { kernels::similarity_topk(asking, index, {.k = kBest}); };
  };
  return made;
}

KernelCase prepare_case(const std::string& problem, std::int64_t count, std::int64_t dim) {
  KernelCase made{problem, {}, {}};
  made.cost = kernels::similarity::similarity_prepare_cost(
      topk_problem(1, count, dim, kernels::RowType::kBFloat16).rows);
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const auto rows = made_up_rows(count, dim).to(at::kBFloat16).to(device);
    return [=] { kernels::similarity_prepare(rows, kernels::Metric::kInnerProduct); };
  };
  return made;
}

}  // namespace

at::Tensor made_up_rows(std::int64_t count, std::int64_t dim) {
  const auto index = at::arange(count * dim, at::kLong);
  const auto bits = (index * 2654435761L).bitwise_right_shift(9).bitwise_and(0xffff);
  return (bits.to(at::kFloat) / 65536 - 0.5).view({count, dim});
}

std::vector<KernelCase> similarity_cases() {
  return {
      topk_case("top-10 of 100,000 x 256 bfloat16, 1 query", 1, 100000, 256, at::kBFloat16),
      topk_case("top-10 of 100,000 x 256 bfloat16, 64 queries", 64, 100000, 256, at::kBFloat16),
      topk_case("top-10 of 100,000 x 256 int8, 1 query", 1, 100000, 256, at::kChar),
      topk_case("top-10 of 1,000,000 x 256 bfloat16, 64 queries", 64, 1000000, 256, at::kBFloat16),
      uncertain_case("64 uncertain queries of 100,000 x 256 bfloat16", 64, 100000, 50, 256),
      prepare_case("prepare 100,000 x 256 bfloat16", 100000, 256)};
}

}  // namespace salus::measure
