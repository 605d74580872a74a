#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// Temporal convolutional network (Bai, Kolter, Koltun, "An Empirical Evaluation of Generic
/// Convolutional and Recurrent Networks for Sequence Modeling", arXiv:1803.01271, 2018), without its
/// weight normalisation: series_of() is embedded into `hidden` channels, to which the state before
/// the first step is added; then `layers` residual blocks of two causal convolutions of `kernel` taps
/// that lie 2^layer bins apart,
///   relu(x + dropout(relu(conv2(dropout(relu(conv1(x)))))))
/// What lies before the first bin is 0. A step sees 1 + 2 (kernel - 1) (2^layers - 1) bins.
ModelEntry tcn();

}  // namespace salus::models
