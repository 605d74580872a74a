#pragma once

#include <memory>

#include "engine/core/step_network.h"
#include "models/tabular/forest.h"
#include "models/vitals/known_features.h"

namespace salus::models {

/// Boosted trees on what is known of a stay, bin by bin.
std::unique_ptr<StepNetwork> trees_step(const KnownFeatures& known, const ForestImpl& forest);

}  // namespace salus::models
