#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/evaluate/compare.h"

namespace salus::evaluate {

/// Two models' contributions of each case to a metric sum(contributions) / sum(units).
struct PairedSums {
  std::vector<double> first, second;   ///< [N]
  std::vector<double> units;           ///< [N] the same for both models
  std::vector<std::uint32_t> patient;  ///< [N] numbers (patient_numbers)
  std::vector<int> stratum;            ///< [N] of the bootstrap; a patient's is the largest
};

/// Permutation test that exchanges the models of a patient, and a paired patient bootstrap of the
/// difference. The metric is absent, because of `absent_because`, where the units sum to nothing.
Comparison compare_sums(const std::string& metric, const PairedSums& sums,
                        const std::string& absent_because, const ResamplingOptions& options,
                        double level);

/// One more than the largest patient number.
std::size_t count_patients(const std::vector<std::uint32_t>& patient);
/// One coin per patient.
std::vector<std::uint8_t> coins(std::size_t patients, std::uint64_t seed, std::size_t replicate);
/// (1 + replicates at least as extreme) / (1 + replicates).
double permutation_p(double observed, const std::vector<double>& null);
/// Percentile interval of the difference; none if all replicates are the same.
void set_interval(std::vector<double> replicates, double level, Comparison& comparison);

}  // namespace salus::evaluate
