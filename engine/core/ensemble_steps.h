#pragma once

#include <memory>
#include <vector>

#include "engine/core/step_network.h"

namespace salus {

/// The member of an ensemble that is taken bin by bin, and its calibration.
struct EnsembleStepMember {
  std::unique_ptr<StepNetwork> network;
  std::vector<float> slope, intercept;  ///< [L]
};

/// Steps all members of an ensemble; the state is theirs one after the other.
std::unique_ptr<StepNetwork> ensemble_steps(std::vector<EnsembleStepMember> members);

}  // namespace salus
