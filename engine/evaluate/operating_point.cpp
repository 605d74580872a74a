#include "engine/evaluate/operating_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/evaluate/sepsis_utility.h"
#include "engine/evaluate/stays.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

using Kind = OperatingRule::Kind;

struct RuleName {
  Kind kind;
  const char* text;  // what stands before the number, or the whole name
  bool has_bound;
};

constexpr std::array<RuleName, 11> kRules{{{Kind::kYouden, "youden", false},
                                           {Kind::kBalanced, "balanced", false},
                                           {Kind::kEvent1, "event1", false},
                                           {Kind::kUtility, "utility", false},
                                           {Kind::kF1, "f1", false},
                                           {Kind::kAccuracy, "accuracy", false},
                                           {Kind::kSensitivity, "sensitivity>=", true},
                                           {Kind::kSpecificity, "specificity>=", true},
                                           {Kind::kPpv, "ppv>=", true},
                                           {Kind::kNpv, "npv>=", true},
                                           {Kind::kFixed, "threshold=", true}}};

[[noreturn]] void reject(const std::string& text) {
  throw UsageError(fmt::format(
      "\"{}\" is not an operating point; choose youden, f1, accuracy, balanced, event1, utility, "
      "sensitivity>=X, specificity>=X, ppv>=X, npv>=X with X above 0 and at most 1, or threshold=X "
      "with X in [0, 1].",
      text));
}

std::optional<double> parse_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A threshold between two neighbouring scores: above `low`, at most `high`.
double between(double low, double high) {
  const double middle = low + (high - low) / 2;
  return middle > low ? middle : high;
}

struct Candidate {
  double threshold = 0, gap = 0;
  Confusion confusion;
  double gain = 0;  ///< of all that is called positive
};

/// Every distinct decision there is, from none positive to all positive.
/// \param gains  of calling a case positive, by position in the caller's vectors; or empty.
std::vector<Candidate> candidates(const BinaryCases& cases, const std::vector<double>& gains = {}) {
  const double top = cases.scores.front();
  const double above = top < 1 ? between(top, 1) : std::nextafter(1.0, 2.0);
  const double p = static_cast<double>(cases.positives), n = static_cast<double>(cases.negatives());
  std::vector<Candidate> all{{above, std::max(1 - top, 0.0), {0, 0, n, p}, 0}};
  double tp = 0, fp = 0, gain = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    (cases.positive[i] ? tp : fp) += 1;
    if (!gains.empty()) gain += gains[cases.index[i]];
    if (!cases.ends_tie(i)) continue;
    const double score = cases.scores[i];
    const double below = i + 1 < cases.size() ? cases.scores[i + 1] : 0;
    // A lowest score of exactly 0 leaves no room below: 0 itself calls everything positive.
    all.push_back({score > below ? between(below, score) : score,
                   score - below,
                   {tp, fp, n - fp, p - tp},
                   gain});
  }
  return all;
}

/// What is to be made as large as possible; NaN = does not meet the bound.
struct Objective {
  Kind kind;
  double bound;

  double bounded(const Confusion& c) const {
    switch (kind) {
      case Kind::kSensitivity:
        return c.sensitivity();
      case Kind::kSpecificity:
        return c.specificity();
      case Kind::kPpv:
        return c.ppv();
      case Kind::kNpv:
        return c.npv();
      default:
        return 1;
    }
  }

  double operator()(const Confusion& c) const {
    // The slack is for bounds such as 0.95 of 20, which no double holds exactly.
    if (!(bounded(c) >= bound - 1e-12)) return std::numeric_limits<double>::quiet_NaN();
    switch (kind) {
      case Kind::kF1:
        return c.f1();
      case Kind::kAccuracy:
        return c.accuracy();
      case Kind::kEvent1:
        return c.event1();
      case Kind::kSensitivity:
      case Kind::kNpv:
        return c.specificity();
      case Kind::kSpecificity:
      case Kind::kPpv:
        return c.sensitivity();
      default:
        return c.balanced_accuracy();
    }
  }
};

/// Better objective, or as good with a wider gap, or with as wide a gap and a lower threshold.
bool is_better(double value, const Candidate& a, double best_value, const Candidate& best) {
  constexpr double kEqual = 1e-12;
  if (std::abs(value - best_value) > kEqual) return value > best_value;
  if (std::abs(a.gap - best.gap) > kEqual) return a.gap > best.gap;
  return a.threshold < best.threshold;
}

/// The candidate of the largest value; nullptr if none has one.
template <typename Value>
const Candidate* find_best(const std::vector<Candidate>& all, const Value& value_of) {
  const Candidate* best = nullptr;
  double best_value = 0;
  for (const Candidate& c : all) {
    const double value = value_of(c);
    if (std::isnan(value)) continue;
    if (best == nullptr || is_better(value, c, best_value, *best)) {
      best = &c;
      best_value = value;
    }
  }
  return best;
}

[[noreturn]] void reject_unreachable(const OperatingRule& rule, const Objective& objective,
                                     const std::vector<Candidate>& all) {
  double reached = 0;
  for (const Candidate& c : all) {
    const double value = objective.bounded(c.confusion);
    if (value > reached) reached = value;
  }
  throw Error(fmt::format(
      "No threshold reaches {} on the validation cases; the best that is reached is {:.4f}. Lower "
      "the bound.",
      rule.name(), reached));
}

}  // namespace

std::string OperatingRule::name() const {
  for (const RuleName& rule : kRules) {
    if (rule.kind == kind)
      return rule.has_bound ? fmt::format("{}{}", rule.text, bound) : rule.text;
  }
  throw Error("An operating rule is of no known kind.");
}

OperatingRule parse_operating_rule(const std::string& text) {
  std::string word = text;
  std::erase_if(word, [](unsigned char c) { return std::isspace(c); });
  if (const auto number = parse_number(word)) word = fmt::format("threshold={}", *number);
  for (const RuleName& rule : kRules) {
    if (!rule.has_bound) {
      if (word == rule.text) return {rule.kind, 0};
      continue;
    }
    if (word.rfind(rule.text, 0) != 0) continue;
    const auto bound = parse_number(word.substr(std::string(rule.text).size()));
    const bool fixed = rule.kind == Kind::kFixed;
    if (!bound || !(*bound <= 1) || !(fixed ? *bound >= 0 : *bound > 0)) reject(text);
    return {rule.kind, *bound};
  }
  reject(text);
}

ChosenThreshold choose_threshold(const OperatingRule& rule,
                                 const std::vector<double>& probabilities,
                                 const std::vector<double>& targets) {
  if (rule.kind == Kind::kUtility) {
    throw Error(
        "The operating point utility needs predictions at every step of stays; choose "
        "another rule for one prediction a case.");
  }
  const BinaryCases cases = sort_cases(probabilities, targets);
  if (rule.kind == Kind::kFixed) return {rule.name(), rule.bound, confusion(cases, rule.bound)};
  require_probabilities(cases);
  if (!cases.has_both_classes()) {
    throw Error(fmt::format(
        "The operating point {} needs validation cases of both classes, but of {} cases {} are "
        "positive; use a larger validation set or threshold=0.5.",
        rule.name(), cases.size(), cases.positives));
  }
  const std::vector<Candidate> all = candidates(cases);
  const Objective objective{rule.kind, rule.bound};
  const Candidate* best =
      find_best(all, [&](const Candidate& c) { return objective(c.confusion); });
  if (best == nullptr) reject_unreachable(rule, objective, all);
  return {rule.name(), best->threshold, best->confusion};
}

ChosenThreshold choose_threshold(const OperatingRule& rule, const Predictions& predictions,
                                 std::size_t label, double label_lead) {
  if (rule.kind != Kind::kUtility) {
    return choose_threshold(rule, column(predictions.probabilities, label),
                            column(predictions.targets, label));
  }
  const auto patient = patient_numbers(predictions.patients, predictions.targets.size());
  const Stays stays = split_stays(predictions, patient, label, label_lead);
  const BinaryCases cases =
      sort_cases(stays.probabilities, {stays.positive.begin(), stays.positive.end()});
  require_probabilities(cases);
  const std::vector<Candidate> all = candidates(cases, utility_gains(stays));
  const Candidate* best = find_best(all, [](const Candidate& c) { return c.gain; });
  return {rule.name(), best->threshold, best->confusion};
}

}  // namespace salus::evaluate
