#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/infer/bundle.h"

namespace salus::infer {

/// Calibrated probabilities of logits [N, L] -> float64 [N, L]: softmax at the bundle's temperature
/// for multiclass, the label's own calibration of a sigmoid for binary and multilabel; for regression
/// the values themselves or, of next values, these in the units of the variables.
at::Tensor calibrated(const Bundle& bundle, const at::Tensor& logits);

/// The same of one case, [L] -> [L], without allocating.
void calibrate(const Bundle& bundle, const float* logits, double* probabilities);

/// 1, 0 or -1 (no operating point) per label; multiclass without operating points: 1 for the most
/// probable class.
std::vector<int> decide(const Bundle& bundle, const std::vector<double>& probabilities);
/// The same into `decisions`, as long as `probabilities`, without allocating.
void decide(const Bundle& bundle, const std::vector<double>& probabilities,
            std::vector<int>& decisions);

}  // namespace salus::infer
