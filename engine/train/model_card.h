#pragma once

#include <string>

#include "engine/evaluate/evaluation.h"
#include "engine/infer/bundle.h"
#include "engine/train/members.h"
#include "engine/train/parts.h"
#include "engine/train/publish.h"
#include "engine/train/trainer.h"

namespace salus::train {

/// MODEL_CARD.md: intended use, data, limits, how it was trained, validation metrics with
/// intervals, overall, at the operating points and by subgroup. Holds no case and no patient.
///
/// \param training  training_section().
std::string model_card(const infer::Bundle& bundle, const PublishConfig& config, const Parts& parts,
                       const std::string& training, const evaluate::Evaluation& validation);

/// The part of a model card that says how its networks were trained.
std::string training_section(const infer::Bundle& bundle, const std::vector<MemberPlan>& members,
                             const std::vector<FitResult>& fits);

}  // namespace salus::train
