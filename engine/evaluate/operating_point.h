#pragma once

#include <string>
#include <vector>

#include "engine/evaluate/evaluation.h"
#include "engine/evaluate/metrics.h"

namespace salus::evaluate {

/// How the threshold of a decision is chosen on validation.
struct OperatingRule {
  enum class Kind {
    kYouden,    ///< largest sensitivity + specificity - 1
    kBalanced,  ///< largest balanced accuracy: the same threshold under its other name
    kF1,
    kAccuracy,
    kSensitivity,  ///< sensitivity >= bound with the best specificity
    kSpecificity,  ///< specificity >= bound with the best sensitivity
    kPpv,          ///< PPV >= bound with the best sensitivity
    kNpv,          ///< NPV >= bound with the best specificity
    kFixed,        ///< the threshold itself
    kEvent1,       ///< largest min(sensitivity, PPV), Event 1 of the PhysioNet Challenge 2012
    kUtility       ///< largest utility of the PhysioNet Challenge 2019; labels a step
  } kind = Kind::kYouden;
  double bound = 0;

  std::string name() const;  ///< "youden", "sensitivity>=0.95", "threshold=0.5"
};

/// Reads "youden", "f1", "accuracy", "balanced", "event1", "utility", "sensitivity>=X", "specificity>=X", "ppv>=X",
/// "npv>=X" with X in (0, 1], "threshold=X" or a bare number in [0, 1]. Spaces are ignored.
/// \throws UsageError that lists the choices.
OperatingRule parse_operating_rule(const std::string& text);

/// "Positive if p >= threshold", and how it did on the cases it was chosen on.
struct ChosenThreshold {
  std::string name;
  double threshold = 0.5;
  Confusion confusion;
};

/// Chooses a threshold for `rule` on validation cases.
///
/// Candidates lie midway between neighbouring distinct probabilities (also between 0 and the
/// lowest, and between the highest and 1), never on a seen value, so that rounding of a new case's
/// score does not decide. Among equally good ones the widest gap is taken, then the lower
/// threshold.
///
/// \param probabilities  in [0, 1].
/// \param targets        0, 1 or NaN (left out).
/// \throws Error if a class is absent, a probability is outside [0, 1], no threshold reaches the
///         bound (the message names the best that is reached), or the rule is kUtility, which needs
///         stays. kFixed needs no cases.
ChosenThreshold choose_threshold(const OperatingRule& rule,
                                 const std::vector<double>& probabilities,
                                 const std::vector<double>& targets);

/// The same for one label of predictions; kUtility is chosen by one sweep over the sorted steps of
/// the stays, in O(N log N), whose onsets follow the first positive step by `label_lead` hours where
/// the predictions do not say them. \throws Error also as split_stays() does for kUtility.
ChosenThreshold choose_threshold(const OperatingRule& rule, const Predictions& predictions,
                                 std::size_t label, double label_lead = StepOptions().label_lead);

}  // namespace salus::evaluate
