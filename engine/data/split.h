#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace salus::data {

/// Positions in a dataset.
struct Split {
  std::vector<std::int64_t> train, valid, test;
};

/// Divides by patient, stratified by the first label, deterministically by `seed`: a patient is
/// wholly on one side. Cases without a patient id are their own patient.
///
/// \param valid_fraction, test_fraction  in [0, 1), of patients; their sum below 1.
/// \throws UsageError if a side would be empty that was asked for.
Split split_by_patient(const Dataset& dataset, double valid_fraction, double test_fraction,
                       std::uint64_t seed);

/// Fold `fold` of `folds`, patient-grouped and stratified: test is the fold; valid is
/// `valid_fraction` of the remaining patients; train the rest.
Split fold_by_patient(const Dataset& dataset, int folds, int fold, double valid_fraction,
                      std::uint64_t seed);

/// \throws Error naming how many patients stand on both sides, and the first positions (never the
/// id).
void refuse_shared_patients(const Dataset& a, const std::vector<std::int64_t>& in_a,
                            const Dataset& b, const std::vector<std::int64_t>& in_b);

/// Pairs (position in a, position in b) with equal pixels, at most `limit`.
std::vector<std::pair<std::int64_t, std::int64_t>> shared_pixels(
    const Dataset& a, const std::vector<std::int64_t>& in_a, const Dataset& b,
    const std::vector<std::int64_t>& in_b, std::size_t limit);

}  // namespace salus::data
