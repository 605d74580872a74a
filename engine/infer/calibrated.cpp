#include "engine/infer/calibrated.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

namespace salus::infer {
namespace {

void softmax_at_temperature(double temperature, const float* logits, std::size_t labels,
                            double* probabilities) {
  const double most = *std::max_element(logits, logits + labels);
  double sum = 0;
  for (std::size_t i = 0; i < labels; ++i) {
    probabilities[i] = std::exp((logits[i] - most) / temperature);
    sum += probabilities[i];
  }
  for (std::size_t i = 0; i < labels; ++i) probabilities[i] /= sum;
}

}  // namespace

void calibrate(const Bundle& bundle, const float* logits, double* probabilities) {
  const std::size_t labels = bundle.task.labels.size();
  const auto& calibration = bundle.calibration;
  if (bundle.task.kind == TaskKind::kRegression) {
    const auto& scales = bundle.scales;
    for (std::size_t i = 0; i < labels; ++i) {
      probabilities[i] = scales.empty() ? logits[i] : scales[i].value(logits[i]);
    }
  } else if (bundle.task.kind == TaskKind::kMulticlass) {
    const double temperature = calibration.empty() ? 1 : calibration[0].temperature;
    softmax_at_temperature(temperature, logits, labels, probabilities);
  } else {
    const evaluate::Calibration none;
    for (std::size_t i = 0; i < labels; ++i) {
      probabilities[i] = (calibration.empty() ? none : calibration[i]).apply(logits[i]);
    }
  }
}

at::Tensor calibrated(const Bundle& bundle, const at::Tensor& logits) {
  const at::Tensor from = logits.to(at::kCPU, at::kFloat).contiguous();
  at::Tensor probabilities = at::empty(from.sizes(), at::kDouble);
  const auto labels = from.size(1);
  for (std::int64_t i = 0; i < from.size(0); ++i) {
    calibrate(bundle, from.const_data_ptr<float>() + i * labels,
              probabilities.mutable_data_ptr<double>() + i * labels);
  }
  return probabilities;
}

void decide(const Bundle& bundle, const std::vector<double>& probabilities,
            std::vector<int>& decisions) {
  if (bundle.task.kind == TaskKind::kMulticlass && bundle.operating_points.empty()) {
    std::fill(decisions.begin(), decisions.end(), 0);
    const auto most = std::max_element(probabilities.begin(), probabilities.end());
    decisions[static_cast<std::size_t>(most - probabilities.begin())] = 1;
    return;
  }
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const OperatingPoint* point = bundle.operating_point(bundle.task.labels[i]);
    decisions[i] = point == nullptr ? -1 : probabilities[i] >= point->threshold ? 1 : 0;
  }
}

std::vector<int> decide(const Bundle& bundle, const std::vector<double>& probabilities) {
  std::vector<int> decisions(probabilities.size(), -1);
  decide(bundle, probabilities, decisions);
  return decisions;
}

}  // namespace salus::infer
