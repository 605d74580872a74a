#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/data/image_dataset.h"
#include "engine/evaluate/evaluation.h"
#include "engine/infer/session.h"

namespace salus::infer {

/// What a session says of every case of a dataset, the way `salus predict` scores files: all frames
/// that the transform chooses are pooled.
struct ScoredCases {
  evaluate::Predictions predictions;       ///< calibrated probabilities, targets, subgroups
  std::vector<std::vector<float>> logits;  ///< [N][L] before calibration
  double seconds = 0;                      ///< whole pass: read, transform, score
};

/// \param threads  decoding threads, 0 = as many as the process may use.
/// \throws Error naming the first case that cannot be read or does not fit the bundle.
ScoredCases predict_cases(const Session& session, const data::ImageDataset& dataset, int threads,
                          const std::function<void(std::int64_t, std::int64_t)>& progress = {});

/// For before a training run, so that it does not fail at its end.
/// \throws Error listing the cases (20 at most) that a bundle with `accepts` would refuse, and why.
void refuse_unaccepted(const Acceptance& accepts, const data::ImageDataset& dataset, int threads);

}  // namespace salus::infer
