#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// Which centroid each point is nearest to.
struct KMeansAssignment {
  at::Tensor labels;     ///< int64 [N]; -1 for a point that takes no part
  at::Tensor distances;  ///< float32 [N]: squared distance to that centroid; +inf where label is -1
  at::Tensor sums;       ///< float64 [K, D]: sum of the points of each centroid; on the CPU in
                         ///< ascending order, on CUDA in pairs of float32 (48 bits)
  at::Tensor counts;     ///< int64 [K]
};

/// Nearest centroid of each point, with the sums that the next centroids are made of.
///
/// Distances are those of Metric::kL2 (similarity_math.h), and equal ones go to the lower centroid:
/// labels and distances are the same bits on every device, for any thread count and instruction
/// set, and so are the sums on the CPU. Points with a NaN or infinity, or whose norm overflows
/// float32, take no part; nor do such centroids. On CUDA it runs on the current stream and waits for
/// it, as similarity_topk() does.
///
/// \param points     float32 [N, D], contiguous, on CPU or CUDA; D as kernels/similarity.h has it.
/// \param centroids  float32 [K, D], contiguous, on the same device; K >= 1.
/// \throws c10::Error for other dtypes, shapes, layouts or devices.
KMeansAssignment kmeans_assign(const at::Tensor& points, const at::Tensor& centroids);

/// Starting centroids by k-means++ (Arthur and Vassilvitskii, SODA 2007): the first is drawn evenly
/// from the points that take part, each further one in proportion to its squared distance from the
/// nearest so far. Draw i is Philox 4x32-10 of the counter (i, 0, 0, 0) with key `seed`. Where all
/// points lie on centroids already, the first point that takes part is repeated.
///
/// \param points  as above, on the CPU.
/// \returns float32 [clusters, D].
/// \throws c10::Error as kmeans_assign() does, if `clusters` is below 1, or if no point takes part.
at::Tensor kmeans_plus_plus(const at::Tensor& points, std::int64_t clusters, std::uint64_t seed);

struct KMeansOptions {
  std::int64_t clusters = 8;      ///< at least 1
  std::int64_t iterations = 100;  ///< at most; at least 1
  std::uint64_t seed = 0;
  /// First centroids instead of kmeans_plus_plus(): float32 [clusters, D]. Or undefined.
  at::Tensor start = {};
};

struct KMeans {
  at::Tensor centroids;  ///< float32 [clusters, D] on the CPU: means of their points, rounded once
  at::Tensor labels;     ///< int64 [N], nearest of `centroids`; -1 for points that take no part
  at::Tensor distances;  ///< float32 [N], as kmeans_assign()
  at::Tensor counts;     ///< int64 [clusters]
  double inertia = 0;    ///< sum of the distances of the points that take part
  std::int64_t iterations = 0;
  bool converged = false;  ///< no label changed in the last iteration
};

/// Lloyd's algorithm from kmeans_plus_plus() or `options.start`. A cluster that loses all its
/// points is given the point that is farthest from its centroid (of equal ones the lowest) among clusters
/// with more than one; several empty clusters, in ascending order, take the farthest, the second
/// farthest and so on. If there is no such point at a distance above 0, the cluster stays empty and
/// its centroid where it is.
///
/// Points may be on CUDA; there the assignment and its sums are made, here what is done once a
/// cluster, and the drawing of the first centroids. `labels`, `distances` and `counts` are where the
/// points are. The same bits for the same points, options, seed and kind of device, with any thread
/// count.
/// \throws c10::Error as kmeans_plus_plus() does, if `iterations` is below 1, or if `start` is
///         not as above.
KMeans kmeans(const at::Tensor& points, const KMeansOptions& options);

}  // namespace salus::kernels
