#include <torch/torch.h>

#include "kernels/kmeans.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {

/// The same points and first centroids as in peers/kmeans.py.
void bench_kmeans(const Options& options) {
  constexpr std::int64_t kDim = 256;
  torch::manual_seed(1);
  const at::Tensor points = torch::randn({options.rows, kDim});
  kernels::KMeansOptions how;
  how.clusters = options.batch;
  how.iterations = options.steps;
  how.start = points.slice(0, 0, options.batch).contiguous();
  kernels::KMeans found;
  const auto work = [&] { found = kernels::kmeans(points, how); };
  work();
  serve({{"check", {found.inertia / static_cast<double>(options.rows)}}},
        static_cast<double>(options.rows * options.steps), work);
}

}  // namespace salus::bench
