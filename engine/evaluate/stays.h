#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/evaluate/evaluation.h"

namespace salus::evaluate {

/// Predictions made step by step, cut into stays, for one label. Steps whose target is not known are
/// left out, and stays that have no other.
struct Stays {
  std::vector<std::size_t> row;        ///< [K] position of each step in the predictions
  std::vector<double> hours;           ///< [K] since the stay began, rising within a stay
  std::vector<double> probabilities;   ///< [K]
  std::vector<std::uint8_t> positive;  ///< [K] 1 where the target is 1
  std::vector<std::size_t> offsets;    ///< [S + 1] steps of stay s: offsets[s] to offsets[s + 1]
  std::vector<std::uint32_t> patient;  ///< [S] number of each stay's patient
  /// [S] as Predictions::onsets says, else hour of the first positive step + `lead`; NaN if there is
  /// none
  std::vector<double> onset;

  std::size_t size() const { return patient.size(); }
  bool is_positive(std::size_t stay) const;
  std::size_t positives() const;
  std::size_t patients() const;
  /// Hours that the steps of a stay stand for: each until the next, the last one as long as the
  /// others on average; one hour if it is the only one.
  double duration(std::size_t stay) const;
  /// Resamples patients within strata of the outcome (positive or not). \throws Error without stays.
  PatientBootstrap resampler() const;
};

/// \param predictions  with ids and hours.
/// \param patient      number of each row's patient (patient_numbers).
/// \param lead         hours from a stay's first positive target to the onset: 6 where targets turn
///                     positive six hours early, as in the PhysioNet Challenge 2019.
/// \throws Error if ids, hours or onsets are missing or of another length, the rows of a stay do not
///         follow each other in rising order of time, or a target is not 0, 1 or NaN.
Stays split_stays(const Predictions& predictions, const std::vector<std::uint32_t>& patient,
                  std::size_t label, double lead);

}  // namespace salus::evaluate
