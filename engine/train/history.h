#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace salus::train {

using Metrics = std::vector<std::pair<std::string, double>>;

/// The value of `name`, or NaN.
double find_metric(const Metrics& metrics, const std::string& name);

/// What is known after an epoch: learning rate, losses, metrics on validation ("valid_auroc"),
/// time.
struct EpochRow {
  std::int64_t epoch = 0;  ///< counted from 0
  std::int64_t step = 0;   ///< optimiser steps so far
  Metrics values;
};

using History = std::vector<EpochRow>;

}  // namespace salus::train
