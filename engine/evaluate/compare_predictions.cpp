#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/evaluate/compare.h"
#include "engine/evaluate/sepsis_utility.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

void check_same_cases(const Predictions& a, const Predictions& b) {
  if (a.task != b.task || a.labels != b.labels) {
    throw Error("The two models answer different questions: their task or labels differ.");
  }
  if (a.targets.size() != b.targets.size() || a.probabilities.size() != b.probabilities.size()) {
    throw Error(fmt::format("The two models scored {} and {} cases; they must be the same cases.",
                            a.targets.size(), b.targets.size()));
  }
  if (a.ids != b.ids) {
    const auto at = std::mismatch(a.ids.begin(), a.ids.end(), b.ids.begin(), b.ids.end()).first;
    throw Error(fmt::format(
        "The two models scored different cases, from number {} on: what one of them refuses, or "
        "cannot read, must be left out for both.",
        at - a.ids.begin()));
  }
  for (std::size_t i = 0; i < a.targets.size(); ++i) {
    for (std::size_t l = 0; l < a.labels.size(); ++l) {
      const double x = a.targets[i][l], y = b.targets[i][l];
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      throw Error(
          fmt::format("The targets of case {} differ between the two models' predictions.", i));
    }
  }
}

double threshold_of(const std::vector<OperatingPoint>& points, const std::string& label) {
  for (const OperatingPoint& point : points) {
    if (point.label == label) return point.threshold;
  }
  return 0.5;
}

bool is_independent(const Predictions& p) {
  return p.patients.empty() ||
         std::set<std::string>(p.patients.begin(), p.patients.end()).size() == p.patients.size();
}

std::vector<double> absolute_errors(const Predictions& p, std::size_t label) {
  std::vector<double> errors;
  errors.reserve(p.targets.size());
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    errors.push_back(std::abs(p.probabilities[i][label] - p.targets[i][label]));
  }
  return errors;
}

/// 1 where the most probable class is right, 0 where it is wrong, NaN where it is not known.
std::vector<double> correct(const Predictions& p) {
  const MulticlassEvaluator evaluator(p.probabilities, p.targets);
  std::vector<double> right;
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    const auto& scores = p.probabilities[i];
    const auto called = std::max_element(scores.begin(), scores.end()) - scores.begin();
    const int truth = evaluator.classes()[i];
    right.push_back(truth < 0 ? std::nan("") : static_cast<double>(called == truth));
  }
  return right;
}

std::vector<Comparison> compare_label(const Predictions& a, std::size_t label, const Side& first,
                                      const Side& second, const ResamplingOptions& options,
                                      double level) {
  const std::vector<double> targets = column(a.targets, label);
  std::vector<Comparison> result;
  const BinaryCases cases = sort_cases(first.probabilities, targets);
  if (cases.has_both_classes() && is_independent(a)) {
    result.push_back(compare_delong(first.probabilities, second.probabilities, targets, level));
  }
  for (const char* metric : {"auroc", "auprc", "brier", "sensitivity", "specificity"}) {
    const bool decided = std::string(metric).rfind('s', 0) == 0;
    if (decided && a.task == TaskKind::kMulticlass) continue;
    result.push_back(
        compare_permutation(metric, first, second, targets, a.patients, options, level));
  }
  for (Comparison& c : result) c.label = a.labels[label];
  return result;
}

/// Utility of both models on the steps of the same stays.
Comparison compare_stays(const Predictions& a, const Predictions& b, std::size_t label,
                         double first_threshold, double second_threshold,
                         const ResamplingOptions& options, double level, double lead) {
  const auto patient = patient_numbers(a.patients, a.targets.size());
  Comparison c =
      compare_utility(split_stays(a, patient, label, lead), first_threshold,
                      split_stays(b, patient, label, lead), second_threshold, options, level);
  c.label = a.labels[label];
  return c;
}

}  // namespace

std::vector<Comparison> compare(const Predictions& first, const Predictions& second,
                                const std::vector<OperatingPoint>& first_points,
                                const std::vector<OperatingPoint>& second_points,
                                const ResamplingOptions& options, double level, double label_lead) {
  check_same_cases(first, second);
  std::vector<Comparison> result;
  if (first.task == TaskKind::kMulticlass) {
    result.push_back(compare_losses("accuracy", correct(first), correct(second), first.patients,
                                    options, level));
  }
  for (std::size_t l = 0; l < first.labels.size(); ++l) {
    if (first.task == TaskKind::kRegression) {
      result.push_back(compare_losses("mae", absolute_errors(first, l), absolute_errors(second, l),
                                      first.patients, options, level));
      result.back().label = first.labels[l];
      continue;
    }
    const Side a{column(first.probabilities, l), threshold_of(first_points, first.labels[l])};
    const Side b{column(second.probabilities, l), threshold_of(second_points, first.labels[l])};
    for (Comparison& c : compare_label(first, l, a, b, options, level)) {
      result.push_back(std::move(c));
    }
    if (first.hours.empty() || first.task == TaskKind::kMulticlass) continue;
    result.push_back(
        compare_stays(first, second, l, a.threshold, b.threshold, options, level, label_lead));
  }
  return result;
}

std::string to_json(const std::vector<Comparison>& comparisons) {
  using Json = nlohmann::ordered_json;
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  Json json = Json::array();
  for (const Comparison& c : comparisons) {
    Json row{{"metric", c.metric}, {"label", c.label}, {"test", c.test}};
    row["first"] = number(c.first);
    row["second"] = number(c.second);
    row["difference"] = number(c.difference);
    row["p_value"] = c.absent_because.empty() ? number(c.p_value) : Json(nullptr);
    if (c.interval) row["low"] = number(c.interval->low);
    if (c.interval) row["high"] = number(c.interval->high);
    if (!c.absent_because.empty()) row["reason"] = c.absent_because;
    json.push_back(std::move(row));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const std::vector<Comparison>& comparisons) {
  std::string text = fmt::format("{:<20}{:<18}{:>8}{:>8}{:>9}  {:<19}{:>8}  {}\n", "label",
                                 "metric", "first", "second", "diff", "interval", "p", "test");
  for (const Comparison& c : comparisons) {
    const std::string interval =
        c.interval ? fmt::format("[{:+.3f}, {:+.3f}]", c.interval->low, c.interval->high) : "-";
    if (!c.absent_because.empty()) {
      fmt::format_to(std::back_inserter(text), "{:<20}{:<18}absent: {}\n", c.label, c.metric,
                     c.absent_because);
      continue;
    }
    fmt::format_to(std::back_inserter(text),
                   "{:<20}{:<18}{:>8.3f}{:>8.3f}{:>+9.3f}  {:<19}{:>8.4f}  {}\n", c.label, c.metric,
                   c.first, c.second, c.difference, interval, c.p_value, c.test);
  }
  return text;
}

}  // namespace salus::evaluate
