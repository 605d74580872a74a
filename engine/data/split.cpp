#include "engine/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

#include "engine/io/error.h"

namespace salus::data {
namespace {

/// A case without a patient id is its own patient.
std::string patient_key(const Dataset& dataset, std::int64_t i) {
  const auto& patient = dataset.info(i).patient;
  return patient.empty() ? fmt::format("\x01{}", i) : "p" + patient;
}

bool is_positive(const CaseInfo& info) { return !info.target.empty() && info.target[0] > 0.5F; }

using Group = std::vector<std::int64_t>;  ///< cases of one patient

/// Fisher-Yates by our own draws: std::shuffle differs between standard libraries.
void shuffle(std::vector<Group>& groups, std::mt19937_64& random) {
  for (std::size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[random() % i]);
}

/// Patients, split into those with and without a positive case, each in random order.
std::vector<std::vector<Group>> strata(const Dataset& dataset, std::uint64_t seed) {
  std::map<std::string, Group> patients;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    patients[patient_key(dataset, i)].push_back(i);
  }
  std::vector<std::vector<Group>> result(2);
  for (auto& [key, cases] : patients) {
    const bool positive = std::any_of(cases.begin(), cases.end(),
                                      [&](std::int64_t i) { return is_positive(dataset.info(i)); });
    result[positive ? 1 : 0].push_back(std::move(cases));
  }
  std::mt19937_64 random(seed);
  for (auto& stratum : result) shuffle(stratum, random);
  return result;
}

void append(std::vector<std::int64_t>& to, const Group& cases) {
  to.insert(to.end(), cases.begin(), cases.end());
}

void sort_all(Split& split) {
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.valid.begin(), split.valid.end());
  std::sort(split.test.begin(), split.test.end());
}

std::size_t share(std::size_t count, double fraction) {
  return static_cast<std::size_t>(std::llround(static_cast<double>(count) * fraction));
}

void require(bool filled, const char* side) {
  if (filled) return;
  throw UsageError(
      fmt::format("The {} part of the split would be empty: there are too few patients; "
                  "choose a larger fraction or fewer folds.",
                  side));
}

}  // namespace

Split split_by_patient(const Dataset& dataset, double valid_fraction, double test_fraction,
                       std::uint64_t seed) {
  if (!(valid_fraction >= 0 && test_fraction >= 0 && valid_fraction + test_fraction < 1)) {
    throw UsageError(
        fmt::format("The fractions for validation ({}) and test ({}) must be at least 0 "
                    "and together below 1.",
                    valid_fraction, test_fraction));
  }
  Split split;
  for (const auto& stratum : strata(dataset, seed)) {
    const auto test = share(stratum.size(), test_fraction);
    const auto valid = test + share(stratum.size(), valid_fraction);
    for (std::size_t i = 0; i < stratum.size(); ++i) {
      append(i < test ? split.test : i < valid ? split.valid : split.train, stratum[i]);
    }
  }
  require(!split.train.empty(), "training");
  require(valid_fraction == 0 || !split.valid.empty(), "validation");
  require(test_fraction == 0 || !split.test.empty(), "test");
  sort_all(split);
  return split;
}

Split fold_by_patient(const Dataset& dataset, int folds, int fold, double valid_fraction,
                      std::uint64_t seed) {
  if (folds < 2 || fold < 0 || fold >= folds) {
    throw UsageError(
        fmt::format("Fold {} of {} does not exist: there must be at least 2 folds, "
                    "counted from 0.",
                    fold, folds));
  }
  Split split;
  std::size_t dealt = 0;  // goes on over the strata, so that folds differ by one patient at most
  for (const auto& stratum : strata(dataset, seed)) {
    std::vector<const Group*> rest;
    for (const auto& cases : stratum) {
      if (static_cast<int>(dealt++ % static_cast<std::size_t>(folds)) == fold) {
        append(split.test, cases);
      } else {
        rest.push_back(&cases);
      }
    }
    const auto valid = share(rest.size(), valid_fraction);
    for (std::size_t i = 0; i < rest.size(); ++i)
      append(i < valid ? split.valid : split.train, *rest[i]);
  }
  require(!split.train.empty(), "training");
  require(valid_fraction == 0 || !split.valid.empty(), "validation");
  require(!split.test.empty(), "test");
  sort_all(split);
  return split;
}

void refuse_shared_patients(const Dataset& a, const std::vector<std::int64_t>& in_a,
                            const Dataset& b, const std::vector<std::int64_t>& in_b) {
  std::unordered_map<std::string, std::int64_t> first_in_a;
  for (const auto i : in_a) {
    if (!a.info(i).patient.empty()) first_in_a.emplace(a.info(i).patient, i);
  }
  std::set<std::string> shared;
  std::string example;
  for (const auto i : in_b) {
    const auto found = first_in_a.find(b.info(i).patient);
    if (found == first_in_a.end() || !shared.insert(found->first).second) continue;
    if (example.empty()) example = fmt::format("positions {} and {}", found->second, i);
  }
  if (shared.empty()) return;
  throw Error(
      fmt::format("{} patients have cases on both sides of the split (first: {}). A score on "
                  "them would be worth nothing; split by patient.",
                  shared.size(), example));
}

std::vector<std::pair<std::int64_t, std::int64_t>> shared_pixels(
    const Dataset& a, const std::vector<std::int64_t>& in_a, const Dataset& b,
    const std::vector<std::int64_t>& in_b, std::size_t limit) {
  std::unordered_map<std::uint64_t, std::int64_t> seen;
  for (const auto i : in_a) seen.emplace(a.content_hash(i), i);
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (const auto i : in_b) {
    if (pairs.size() >= limit) break;
    const auto found = seen.find(b.content_hash(i));
    if (found != seen.end()) pairs.emplace_back(found->second, i);
  }
  return pairs;
}

}  // namespace salus::data
