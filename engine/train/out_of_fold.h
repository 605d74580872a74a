#pragma once

#include <string>
#include <vector>

#include "engine/core/task.h"
#include "engine/evaluate/evaluation.h"
#include "engine/infer/predict_cases.h"

namespace salus::train {

/// Writes the scores of a held-out fold as CSV: id, fold, patient (its number within the fold,
/// never an identity), label, target (empty = not known), logit, probability, hour (labels a step
/// only), then the subgroup columns. One row per case (or step of it) and label. Probabilities are calibrated by that fold's own validation
/// part.
void write_fold_predictions(const std::string& path, std::int64_t fold,
                            const infer::ScoredCases& scored);

/// Reads the predictions.csv of all folds into one set, as if one model had scored every case.
/// \throws Error if a fold or a case comes twice, or a file does not fit the task.
evaluate::Predictions pool_folds(const std::vector<std::string>& paths, const Task& task);

}  // namespace salus::train
