#pragma once

#include <string>

#include "engine/evaluate/evaluation.h"
#include "engine/infer/bundle.h"
#include "engine/train/parts.h"
#include "engine/train/publish.h"
#include "engine/train/trainer.h"

namespace salus::train {

/// MODEL_CARD.md: intended use, data, limits, how it was trained, validation metrics with
/// intervals, overall, at the operating points and by subgroup. Holds no case and no patient.
std::string model_card(const infer::Bundle& bundle, const PublishConfig& config, const Parts& parts,
                       const FitResult& fit, const std::string& monitor,
                       const evaluate::Evaluation& validation);

}  // namespace salus::train
