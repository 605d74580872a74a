#include "tests/support/reference/kmeans.h"

#include <limits>

namespace salus::reference {

NearestCentroid nearest_centroid(const std::vector<double>& point, const Points& centroids) {
  NearestCentroid nearest;
  nearest.distance = nearest.second = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < centroids.size(); ++c) {
    double distance = 0;
    for (std::size_t d = 0; d < point.size(); ++d) {
      distance += (point[d] - centroids[c][d]) * (point[d] - centroids[c][d]);
    }
    if (distance < nearest.distance) {
      nearest.second = nearest.distance;
      nearest.distance = distance;
      nearest.label = static_cast<std::int64_t>(c);
    } else if (distance < nearest.second) {
      nearest.second = distance;
    }
  }
  return nearest;
}

Points lloyd_step(const Points& points, const Points& centroids) {
  Points sums(centroids.size(), std::vector<double>(centroids[0].size()));
  std::vector<double> counts(centroids.size());
  for (const auto& point : points) {
    const auto label = static_cast<std::size_t>(nearest_centroid(point, centroids).label);
    counts[label] += 1;
    for (std::size_t d = 0; d < point.size(); ++d) sums[label][d] += point[d];
  }
  for (std::size_t c = 0; c < sums.size(); ++c) {
    for (std::size_t d = 0; d < sums[c].size(); ++d) {
      sums[c][d] = counts[c] > 0 ? sums[c][d] / counts[c] : centroids[c][d];
    }
  }
  return sums;
}

}  // namespace salus::reference
