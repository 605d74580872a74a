#include "engine/evaluate/stays.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_set>

#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

void check(const Predictions& p, const std::vector<std::uint32_t>& patient) {
  const std::size_t n = p.targets.size();
  const bool onsets_fit = p.onsets.empty() || p.onsets.size() == n;
  if (p.ids.size() != n || p.hours.size() != n || patient.size() != n || !onsets_fit) {
    throw Error(
        fmt::format("Predictions at every step of a stay need an id and an hour for each row, and "
                    "onsets for all "
                    "or none, but there are {} rows, {} ids, {} hours and {} onsets.",
                    n, p.ids.size(), p.hours.size(), p.onsets.size()));
  }
}

/// Adds steps one by one, beginning a stay where the id changes.
class Splitter {
 public:
  Splitter(const Predictions& p, const std::vector<std::uint32_t>& patient, double lead)
      : p_(p), patient_(patient), lead_(lead) {}

  void add(std::size_t row, std::size_t label) {
    const bool is_first = row == 0 || p_.ids[row] != p_.ids[row - 1];
    if (is_first && !seen_.insert(p_.ids[row]).second) {
      throw Error(fmt::format(
          "Row {} goes on with a stay that ended before; rows of a stay must follow each other.",
          row));
    }
    if (!is_first && !(p_.hours[row] > p_.hours[row - 1])) {
      throw Error(
          fmt::format("Row {} is at hour {} of its stay, after a row at hour {}; hours must rise.",
                      row, p_.hours[row], p_.hours[row - 1]));
    }
    if (is_first) open_ = false;
    if (!std::isnan(p_.targets[row][label])) add_known(row, label);
  }

  Stays finish() {
    stays_.offsets.push_back(stays_.row.size());
    return std::move(stays_);
  }

 private:
  void add_known(std::size_t row, std::size_t label) {
    const double target = p_.targets[row][label], probability = p_.probabilities[row][label];
    if ((target != 0 && target != 1) || std::isnan(probability)) {
      throw Error(fmt::format(
          "Row {} has the target {} and the probability {}; a target must be 0, 1 or NaN, and a "
          "known one needs a prediction.",
          row, target, probability));
    }
    if (!open_) {
      stays_.offsets.push_back(stays_.row.size());
      stays_.patient.push_back(patient_[row]);
      stays_.onset.push_back(p_.onsets.empty() ? std::numeric_limits<double>::quiet_NaN()
                                               : p_.onsets[row]);
      open_ = true;
    }
    if (p_.onsets.empty() && target == 1 && std::isnan(stays_.onset.back())) {
      stays_.onset.back() = p_.hours[row] + lead_;
    }
    stays_.row.push_back(row);
    stays_.hours.push_back(p_.hours[row]);
    stays_.probabilities.push_back(probability);
    stays_.positive.push_back(target == 1);
  }

  const Predictions& p_;
  const std::vector<std::uint32_t>& patient_;
  double lead_;
  Stays stays_;
  std::unordered_set<std::string> seen_;
  bool open_ = false;  // the stay of the row has a known step already
};

}  // namespace

bool Stays::is_positive(std::size_t stay) const { return !std::isnan(onset[stay]); }

std::size_t Stays::positives() const {
  return static_cast<std::size_t>(
      std::count_if(onset.begin(), onset.end(), [](double hour) { return !std::isnan(hour); }));
}

std::size_t Stays::patients() const {
  return std::set<std::uint32_t>(patient.begin(), patient.end()).size();
}

double Stays::duration(std::size_t stay) const {
  const std::size_t steps = offsets[stay + 1] - offsets[stay];
  if (steps == 1) return 1;
  const double span = hours[offsets[stay + 1] - 1] - hours[offsets[stay]];
  return span * static_cast<double>(steps) / static_cast<double>(steps - 1);
}

PatientBootstrap Stays::resampler() const {
  std::vector<int> strata;
  strata.reserve(size());
  for (std::size_t s = 0; s < size(); ++s) strata.push_back(is_positive(s) ? 1 : 0);
  return {patient, strata};
}

Stays split_stays(const Predictions& predictions, const std::vector<std::uint32_t>& patient,
                  std::size_t label, double lead) {
  check(predictions, patient);
  Splitter splitter(predictions, patient, lead);
  for (std::size_t row = 0; row < predictions.targets.size(); ++row) splitter.add(row, label);
  return splitter.finish();
}

}  // namespace salus::evaluate
