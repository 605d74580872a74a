#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// A small causal transformer whose attention reaches `window` bins back, itself included: series_of()
/// is embedded into `hidden` channels, to which the state before the first step is added; then
/// `layers` pre-norm blocks (Xiong et al., "On Layer Normalization in the Transformer Architecture",
/// ICML 2020),
///   x = x + project(attention(norm1(x)))
///   x = x + contract(relu(expand(norm2(x))))               expand to 4 hidden
/// and a last normalisation. Positions are a learned bias of each head for each distance (as in T5:
/// Raffel et al., JMLR 21, 2020; here one per bin, and one table per block), so that a stay may be
/// longer than those of the training. A step sees 1 + layers (window - 1) bins.
ModelEntry transformer();

}  // namespace salus::models
