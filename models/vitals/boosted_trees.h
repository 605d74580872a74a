#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// Boosted trees on what is known of a stay (models/vitals/known_features.h): per stay of the whole of it,
/// per step so far. Fitted by XGBoost, scored and streamed by code of our own (models/tabular/forest.h).
ModelEntry boosted_trees();

}  // namespace salus::models
