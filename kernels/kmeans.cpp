#include "kernels/kmeans.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/kmeans_sums.h"
#include "kernels/philox.h"
#include "kernels/similarity.h"
#include "kernels/similarity_values.h"

namespace salus::kernels {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();

constexpr std::int64_t kPointsAtOnce = 1 << 16;  // on CUDA, whose search takes memory for each

const CudaLauncher<KMeansSumsLaunch> kmeans_sums_cuda{"kmeans_sums"};

void check_matrix(const char* what, const at::Tensor& matrix, std::int64_t least_rows) {
  TORCH_CHECK(matrix.defined() && matrix.dim() == 2 && matrix.scalar_type() == at::kFloat &&
                  matrix.is_contiguous() && (matrix.is_cpu() || matrix.is_cuda()) &&
                  matrix.size(0) >= least_rows && matrix.size(1) >= 1 &&
                  matrix.size(1) <= kLargestSimilarityDim,
              "kmeans: ", what, " must be contiguous float32 on a CPU or CUDA, at least ",
              least_rows, " rows of 1 to ", kLargestSimilarityDim, " values.");
}

/// Labels and distances; the bfloat16 copy only finds candidates.
void nearest(const at::Tensor& points, const at::Tensor& centroids, KMeansAssignment& to) {
  const SimilarityIndex index =
      similarity_prepare(centroids.to(at::kBFloat16), Metric::kL2, {}, centroids);
  const std::int64_t n = points.size(0), at_once = points.is_cuda() ? kPointsAtOnce : n;
  std::vector<at::Tensor> ids, scores;
  for (std::int64_t begin = 0; begin < n || ids.empty(); begin += at_once) {
    const at::Tensor some = points.slice(0, begin, std::min(begin + at_once, n));
    const SimilarityResult found = similarity_topk(some, index, {.k = 1});
    ids.push_back(found.ids.view({some.size(0)}));
    scores.push_back(found.scores.view({some.size(0)}));
  }
  to.labels = ids.size() == 1 ? ids[0] : at::cat(ids);
  to.distances = (scores.size() == 1 ? scores[0] : at::cat(scores)).neg();
}

/// Counts, and the points of each label in ascending order: members[starts[c]] to
/// members[starts[c + 1]].
struct Groups {
  std::vector<std::int64_t> starts, members;

  Groups(const at::Tensor& labels, std::int64_t clusters)
      : starts(static_cast<std::size_t>(clusters) + 1) {
    const std::int64_t* label = labels.const_data_ptr<std::int64_t>();
    const std::int64_t n = labels.numel();
    for (std::int64_t i = 0; i < n; ++i) {
      if (label[i] >= 0) ++starts[static_cast<std::size_t>(label[i]) + 1];
    }
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    members.resize(static_cast<std::size_t>(starts.back()));
    std::vector<std::int64_t> next(starts.begin(), starts.end() - 1);
    for (std::int64_t i = 0; i < n; ++i) {
      if (label[i] < 0) continue;
      members[static_cast<std::size_t>(next[static_cast<std::size_t>(label[i])]++)] = i;
    }
  }
};

void add_up_on_cuda(const at::Tensor& points, std::int64_t clusters, KMeansAssignment& to) {
  const std::int64_t dim = points.size(1);
  const auto [sorted, order] = at::sort(to.labels, std::optional<bool>(true));
  const at::Tensor starts = at::searchsorted(sorted, at::arange(clusters + 1, sorted.options()));
  KMeansSumsTask task;
  task.clusters = static_cast<std::int32_t>(clusters);
  task.dim = dim;
  task.splits = kmeans_splits(points.size(0), task.clusters, dim);
  const at::Tensor halves = at::empty({task.splits, 2, clusters, dim}, points.options());
  task.points = points.const_data_ptr<float>();
  task.members = order.const_data_ptr<std::int64_t>();
  task.starts = starts.const_data_ptr<std::int64_t>();
  task.halves = halves.mutable_data_ptr<float>();
  kmeans_sums_cuda(points.device().index(), task);
  to.counts = starts.diff();
  to.sums = halves.sum(at::IntArrayRef{0, 1}, /*keepdim=*/false, at::kDouble);
}

/// Each thread takes some columns of some clusters, and adds whole columns in ascending order: the
/// sums do not depend on how many threads there are.
void add_up(const at::Tensor& points, std::int64_t clusters, KMeansAssignment& to) {
  if (points.is_cuda()) return add_up_on_cuda(points, clusters, to);
  constexpr std::int64_t kColumns = 64;
  const Groups groups(to.labels, clusters);
  const std::int64_t dim = points.size(1), stripes = (dim + kColumns - 1) / kColumns;
  to.counts = at::empty({clusters}, at::kLong);
  to.sums = at::zeros({clusters, dim}, at::kDouble);
  for (std::int64_t c = 0; c < clusters; ++c) {
    const auto at = static_cast<std::size_t>(c);
    to.counts.mutable_data_ptr<std::int64_t>()[c] = groups.starts[at + 1] - groups.starts[at];
  }
  at::parallel_for(0, clusters * stripes, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t c = task / stripes, column = task % stripes * kColumns;
      const std::int64_t first = groups.starts[static_cast<std::size_t>(c)];
      add_rows(points.const_data_ptr<float>() + column, dim, groups.members.data() + first,
               to.counts.const_data_ptr<std::int64_t>()[c],
               static_cast<int>(std::min(kColumns, dim - column)),
               to.sums.mutable_data_ptr<double>() + c * dim + column);
    }
  });
}

/// Even in [0, 1), 53 bits.
double draw(std::uint64_t seed, std::uint32_t index) {
  const PhiloxWords words = philox4x32({{index, 0, 0, 0}}, seed);
  return static_cast<double>((std::uint64_t{words.w[0]} << 21) ^ (words.w[1] >> 11)) * 0x1p-53;
}

/// The first position whose running sum of weights exceeds `share` of the total; -1 if that is 0.
std::int64_t pick(const std::vector<double>& weights, double share) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (total <= 0) return -1;
  double sum = 0;
  std::int64_t last = -1;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = static_cast<std::int64_t>(i);
    sum += weights[i];
    if (sum > share * total) break;
  }
  return last;
}

std::vector<double> evenly_where_usable(const at::Tensor& points) {
  const auto dim = static_cast<int>(points.size(1));
  std::vector<double> weights(static_cast<std::size_t>(points.size(0)));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float* point = points.const_data_ptr<float>() + static_cast<std::int64_t>(i) * dim;
    const float norm = std::sqrt(documented_squares(point, dim));
    weights[i] = similarity_takes_part(norm, false) ? 1 : 0;
  }
  return weights;
}

/// Gives each empty cluster a far point of a cluster that has more than one.
void fill_empty(std::int64_t clusters, KMeansAssignment& now) {
  const at::Tensor here = now.labels.cpu(), far = now.distances.cpu();
  std::int64_t* labels = here.mutable_data_ptr<std::int64_t>();
  const float* distances = far.const_data_ptr<float>();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(clusters)), order;
  for (std::int64_t i = 0; i < now.labels.numel(); ++i) {
    if (labels[i] >= 0) ++counts[static_cast<std::size_t>(labels[i])];
  }
  if (std::find(counts.begin(), counts.end(), 0) == counts.end()) return;
  for (std::int64_t i = 0; i < now.labels.numel(); ++i) {
    if (labels[i] >= 0 && distances[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return distances[a] > distances[b]; });
  std::size_t next = 0;
  for (std::int64_t c = 0; c < clusters; ++c) {
    if (counts[static_cast<std::size_t>(c)] > 0) continue;
    while (next < order.size() && counts[static_cast<std::size_t>(labels[order[next]])] < 2) ++next;
    if (next == order.size()) break;
    --counts[static_cast<std::size_t>(labels[order[next]])];
    counts[static_cast<std::size_t>(c)] = 1;
    labels[order[next++]] = c;
  }
  now.labels = here.to(now.labels.device());
}

/// Means of the clusters that have points.
void move_centroids(const KMeansAssignment& now, const at::Tensor& centroids) {
  const std::int64_t dim = centroids.size(1);
  float* to = centroids.mutable_data_ptr<float>();
  const at::Tensor all_sums = now.sums.cpu(), counts = now.counts.cpu();
  const double* sums = all_sums.const_data_ptr<double>();
  for (std::int64_t c = 0; c < centroids.size(0); ++c) {
    const std::int64_t count = counts.const_data_ptr<std::int64_t>()[c];
    for (std::int64_t d = 0; count > 0 && d < dim; ++d) {
      to[c * dim + d] = static_cast<float>(sums[c * dim + d] / static_cast<double>(count));
    }
  }
}

double inertia_of(const KMeansAssignment& now) {
  const at::Tensor here = now.distances.cpu();
  const float* distances = here.const_data_ptr<float>();
  double sum = 0;
  for (std::int64_t i = 0; i < here.numel(); ++i) {
    if (distances[i] < kFar) sum += distances[i];
  }
  return sum;
}

}  // namespace

KMeansAssignment kmeans_assign(const at::Tensor& points, const at::Tensor& centroids) {
  check_matrix("points", points, 0);
  check_matrix("centroids", centroids, 1);
  TORCH_CHECK(points.size(1) == centroids.size(1), "kmeans: points have ", points.size(1),
              " values, centroids ", centroids.size(1), ".");
  TORCH_CHECK(points.device() == centroids.device(), "kmeans: points are on ", points.device(),
              ", centroids on ", centroids.device(), ".");
  KMeansAssignment assignment;
  nearest(points, centroids, assignment);
  add_up(points, centroids.size(0), assignment);
  return assignment;
}

at::Tensor kmeans_plus_plus(const at::Tensor& points, std::int64_t clusters, std::uint64_t seed) {
  check_matrix("points", points, 1);
  TORCH_CHECK(points.is_cpu(), "kmeans: first centroids are drawn on the CPU, not on ",
              points.device(), ".");
  TORCH_CHECK(clusters >= 1 && clusters <= std::numeric_limits<std::int32_t>::max(),
              "kmeans: there must be at least one cluster, not ", clusters, ".");
  const std::int64_t n = points.size(0), dim = points.size(1);
  const float* values = points.const_data_ptr<float>();
  std::vector<double> weights = evenly_where_usable(points);
  const auto usable = std::find(weights.begin(), weights.end(), 1.0);
  TORCH_CHECK(usable != weights.end(), "kmeans: no point has finite values.");
  const std::int64_t first = usable - weights.begin();
  at::Tensor centroids = at::empty({clusters, dim}, at::kFloat);
  for (std::int64_t c = 0; c < clusters; ++c) {
    std::int64_t chosen = pick(weights, draw(seed, static_cast<std::uint32_t>(c)));
    if (chosen < 0) chosen = first;
    float* centroid = centroids.mutable_data_ptr<float>() + c * dim;
    std::copy_n(values + chosen * dim, dim, centroid);
    at::parallel_for(0, n, 1024, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        double& weight = weights[static_cast<std::size_t>(i)];
        if (weight == 0) continue;
        const double distance =
            documented_square_distance(values + i * dim, centroid, static_cast<int>(dim));
        weight = c == 0 ? distance : std::min(weight, distance);
      }
    });
  }
  return centroids;
}

namespace {

at::Tensor first_centroids(const at::Tensor& points, const KMeansOptions& options) {
  if (!options.start.defined()) {
    return kmeans_plus_plus(points.cpu(), options.clusters, options.seed);
  }
  check_matrix("points", points, 1);
  check_matrix("start", options.start, 1);
  TORCH_CHECK(options.start.size(0) == options.clusters && options.start.size(1) == points.size(1),
              "kmeans: start must be [", options.clusters, ", ", points.size(1), "], not ",
              options.start.sizes(), ".");
  return options.start.cpu().clone();
}

}  // namespace

KMeans kmeans(const at::Tensor& points, const KMeansOptions& options) {
  TORCH_CHECK(options.iterations >= 1, "kmeans: there must be at least one iteration, not ",
              options.iterations, ".");
  KMeans result;
  result.centroids = first_centroids(points, options);
  KMeansAssignment now;
  at::Tensor before;
  for (; result.iterations < options.iterations && !result.converged; ++result.iterations) {
    nearest(points, result.centroids.to(points.device()), now);
    fill_empty(options.clusters, now);
    result.converged = before.defined() && at::equal(now.labels, before);
    if (result.converged) continue;
    before = now.labels;
    add_up(points, options.clusters, now);
    move_centroids(now, result.centroids);
  }
  now = kmeans_assign(points, result.centroids.to(points.device()));
  result.labels = now.labels;
  result.distances = now.distances;
  result.counts = now.counts;
  result.inertia = inertia_of(now);
  return result;
}

}  // namespace salus::kernels
