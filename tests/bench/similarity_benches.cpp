#include <torch/torch.h>

#include "kernels/similarity.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

constexpr std::int64_t kDim = 256, kAtOnce = 100000, kNeighbours = 10;

at::Tensor unit_rows(std::int64_t count) {
  const at::Tensor rows = at::randn({count, kDim});
  return rows / rows.norm(2, 1, true);
}

/// An index, and what decides recall.
struct Work {
  kernels::SimilarityIndex index;
  at::Tensor queries;
  at::Tensor truth;  ///< int64 [Q, 10] by float32 products
};

/// The same vectors as peers/similarity.py. Up to kAtOnce rows keep their float32 originals beside
/// them; more are scored as they are stored, and so is the truth, to keep memory to the index.
Work make_work(const Options& options) {
  torch::manual_seed(1);
  Work work;
  work.queries = unit_rows(options.batch);
  const bool originals = options.rows <= kAtOnce;
  const auto type = options.dtype == "int8"       ? at::kChar
                    : options.dtype == "bfloat16" ? at::kBFloat16
                                                  : at::kFloat;
  const at::Tensor stored = at::empty({options.rows, kDim}, type);
  at::Tensor scales = type == at::kChar ? at::empty({options.rows}) : at::Tensor();
  at::Tensor exact, best, best_ids;
  for (std::int64_t begin = 0; begin < options.rows; begin += kAtOnce) {
    const std::int64_t end = std::min(begin + kAtOnce, options.rows);
    const at::Tensor rows = unit_rows(end - begin);
    at::Tensor values = rows;
    if (type == at::kChar) {
      const kernels::QuantizedRows quantized = kernels::similarity_quantize(rows.contiguous());
      stored.slice(0, begin, end).copy_(quantized.rows);
      scales.slice(0, begin, end).copy_(quantized.scales);
      values = quantized.rows.to(at::kFloat) * quantized.scales.unsqueeze(1);
    } else {
      stored.slice(0, begin, end).copy_(rows);
      values = stored.slice(0, begin, end).to(at::kFloat);
    }
    if (originals) exact = values = rows.contiguous();
    auto [scores, ids] = at::mm(work.queries, values.t()).topk(kNeighbours);
    best = best.defined() ? at::cat({best, scores}, 1) : scores;
    best_ids = best_ids.defined() ? at::cat({best_ids, ids + begin}, 1) : ids;
  }
  work.truth = best_ids.gather(1, std::get<1>(best.topk(kNeighbours)));
  work.index = kernels::similarity_prepare(stored, kernels::Metric::kInnerProduct, scales,
                                           originals && type != at::kFloat ? exact : at::Tensor());
  return work;
}

double recall_of(const at::Tensor& ids, const at::Tensor& truth) {
  const at::Tensor found = (ids.unsqueeze(2) == truth.unsqueeze(1)).any(2);
  return found.to(at::kDouble).mean().item<double>();
}

}  // namespace

void bench_similarity(const Options& options) {
  const Work work = make_work(options);
  const kernels::SimilarityOptions search{.k = kNeighbours};
  kernels::SimilarityResult result;
  const auto run = [&] { result = kernels::similarity_topk(work.queries, work.index, search); };
  run();
  TORCH_CHECK(result.certain.all().item<bool>(), "a query is not certain.");
  serve({{"check", {result.scores.mean(at::kDouble).item<double>()}},
         {"recall", recall_of(result.ids, work.truth)},
         {"workspace_mb",
          kernels::similarity_workspace_bytes(options.batch, work.index, search) / 1e6}},
        static_cast<double>(options.batch), run);
}

}  // namespace salus::bench
