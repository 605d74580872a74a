#pragma once

#include <cstdint>
#include <vector>

namespace salus::reference {

using Points = std::vector<std::vector<double>>;

/// The nearest centroid in float64, the lowest of equal ones; `second` is the squared distance of the
/// runner-up, to tell near-ties (infinite if there is one centroid).
struct NearestCentroid {
  std::int64_t label = -1;
  double distance = 0;
  double second = 0;
};
NearestCentroid nearest_centroid(const std::vector<double>& point, const Points& centroids);

/// One iteration of Lloyd's algorithm: the mean of each centroid's points; a centroid without points
/// stays.
Points lloyd_step(const Points& points, const Points& centroids);

}  // namespace salus::reference
