#include "engine/infer/calibrated.h"

#include <algorithm>

namespace salus::infer {
namespace {

at::Tensor softmax_at_temperature(const Bundle& bundle, const at::Tensor& logits) {
  const double t = bundle.calibration.empty() ? 1 : bundle.calibration[0].temperature;
  return at::softmax(logits / t, 1);
}

}  // namespace

at::Tensor calibrated(const Bundle& bundle, const at::Tensor& logits) {
  at::Tensor values = logits.to(at::kCPU, at::kDouble).contiguous();
  if (bundle.task.kind == TaskKind::kRegression) return values;
  if (bundle.task.kind == TaskKind::kMulticlass) return softmax_at_temperature(bundle, values);
  values = values.clone();
  const evaluate::Calibration none{};
  auto row = values.accessor<double, 2>();
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    for (std::int64_t label = 0; label < values.size(1); ++label) {
      const auto& calibration = bundle.calibration.empty() ? none : bundle.calibration[label];
      row[i][label] = calibration.apply(row[i][label]);
    }
  }
  return values;
}

std::vector<int> decide(const Bundle& bundle, const std::vector<double>& probabilities) {
  std::vector<int> decisions(probabilities.size(), -1);
  if (bundle.task.kind == TaskKind::kMulticlass && bundle.operating_points.empty()) {
    std::fill(decisions.begin(), decisions.end(), 0);
    const auto most = std::max_element(probabilities.begin(), probabilities.end());
    decisions[static_cast<std::size_t>(most - probabilities.begin())] = 1;
    return decisions;
  }
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const auto& points = bundle.operating_points;
    const auto point = std::find_if(points.begin(), points.end(), [&](const OperatingPoint& p) {
      return p.label == bundle.task.labels[i];
    });
    if (point != points.end()) decisions[i] = probabilities[i] >= point->threshold ? 1 : 0;
  }
  return decisions;
}

}  // namespace salus::infer
