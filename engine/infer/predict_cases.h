#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/data/source.h"
#include "engine/evaluate/evaluation.h"
#include "engine/infer/session.h"

namespace salus::infer {

/// What a session says of every case of a dataset, the way `salus predict` scores files: of images
/// all frames that the transform chooses are pooled. A model with labels a step gives a row for each
/// step of each case.
struct ScoredCases {
  evaluate::Predictions predictions;       ///< calibrated probabilities, targets (of next values:
                                           ///< in their units, as the predictions), subgroups
  std::vector<std::vector<float>> logits;  ///< [N][L] before calibration
  std::vector<std::int64_t> unreadable;    ///< positions of cases without a row; ascending
  double seconds = 0;                      ///< whole pass: read, transform, score
};

/// \param threads     decoding threads, 0 = as many as the process may use.
/// \param unreadable  told of each image that cannot be read or that the bundle refuses, in order; it
///                    gets no row. Without it such an image is an error.
/// \throws Error naming the first case that cannot be read or scored.
ScoredCases predict_cases(const Session& session, const data::Dataset& dataset, int threads,
                          const data::Unreadable& unreadable = {});

/// How a bundle's scores are evaluated: at its operating points, its alarms by its own times, and,
/// with one label a stay, by the scores of the Challenge 2012 too.
evaluate::EvaluationOptions evaluation_options(const Bundle& bundle);

/// Scores every case that a dataset holds, labelled or not, one micro-batch at a time, and hands each
/// to `scored` in order.
void score_cases(const Session& session, const data::Dataset& dataset,
                 const SessionOptions& options,
                 const std::function<void(const Prediction&)>& scored);

/// The same for case i alone: one prediction, or one a step.
std::vector<Prediction> predict_case(const Session& session, const data::Dataset& dataset,
                                     std::int64_t i);

/// For before a training run, so that it does not fail at its end.
/// \throws Error listing the images (20 at most) that a bundle with `accepts` and the dataset's
/// transform would refuse (Session::mismatches), and why.
void refuse_unaccepted(const Acceptance& accepts, const data::Dataset& dataset, int threads);

}  // namespace salus::infer
