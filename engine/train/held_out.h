#pragma once

#include <cstddef>
#include <string>

#include "engine/core/registry.h"
#include "engine/infer/bundle.h"
#include "engine/infer/predict_cases.h"
#include "engine/train/parts.h"
#include "engine/train/samples.h"

// What each network of a run is trained on and what is kept from it: the same two parts for all or, in
// rotation ([data.split] member_folds), a part of the training cases in turn.

namespace salus::train {

Subset training_cases(const Parts& parts, std::size_t member);
Subset validation_cases(const Parts& parts, std::size_t member);
/// validation_cases() as a dataset of their own.
const data::Dataset& held_out_from(const Parts& parts, std::size_t member);

/// Scores of cases by networks that were not trained on them: the validation part's by `bundle` or, in
/// rotation, those of every training case, each by the members that it was held out from.
infer::ScoredCases score_held_out(const infer::Bundle& bundle, const Parts& parts,
                                  const Registry& registry, const std::string& device, int threads);

/// \throws UsageError if fewer networks are to be trained than take turns.
void require_turns(const Parts& parts, std::size_t members);

}  // namespace salus::train
