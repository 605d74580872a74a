#pragma once

#include <string>
#include <vector>

#include "engine/evaluate/sepsis_utility.h"

namespace salus::evaluate::testing {

/// One stay of hourly steps.
struct HourlyStay {
  std::vector<double> probabilities, targets;
};

/// Each stay its own patient, beginning at hour 1.
inline Predictions stay_predictions(const std::vector<HourlyStay>& stays) {
  Predictions p;
  p.labels = {"sepsis"};
  for (std::size_t s = 0; s < stays.size(); ++s) {
    for (std::size_t t = 0; t < stays[s].targets.size(); ++t) {
      p.probabilities.push_back({stays[s].probabilities[t]});
      p.targets.push_back({stays[s].targets[t]});
      p.ids.push_back("SECRET-STAY" + std::to_string(s));
      p.patients.push_back("SECRET" + std::to_string(s));
      p.hours.push_back(static_cast<double>(t + 1));
    }
  }
  return p;
}

inline Stays make_stays(const Predictions& p, double lead = StepOptions().label_lead) {
  return split_stays(p, patient_numbers(p.patients, p.targets.size()), 0, lead);
}

inline Stays make_stays(const std::vector<HourlyStay>& stays,
                        double lead = StepOptions().label_lead) {
  return make_stays(stay_predictions(stays), lead);
}

/// `n` hours with the score `high` at the hours given (counted from 0) and 0.1 at the others, and
/// positive targets from `first_positive` on (n and more: none).
inline HourlyStay hourly(std::size_t n, std::size_t first_positive,
                         const std::vector<std::size_t>& called, double high = 0.9) {
  HourlyStay stay{std::vector<double>(n, 0.1), std::vector<double>(n, 0)};
  for (std::size_t t = first_positive; t < n; ++t) stay.targets[t] = 1;
  for (const std::size_t t : called) stay.probabilities[t] = high;
  return stay;
}

}  // namespace salus::evaluate::testing
