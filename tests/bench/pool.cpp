#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/evaluate/bootstrap.h"
#include "engine/evaluate/evaluation.h"
#include "engine/evaluate/intervals.h"
#include "engine/evaluate/metrics.h"
#include "engine/train/out_of_fold.h"
#include "tests/bench/benches.h"

namespace salus::bench {
namespace {

using evaluate::Predictions;
using Json = nlohmann::ordered_json;

/// The first label of some cases, and the fold of each.
struct Cases {
  std::vector<double> scores, targets;
  std::vector<std::string> patients;
  std::vector<int> folds;

  void add(const Predictions& predictions, std::size_t row, int fold) {
    if (std::isnan(predictions.targets[row][0])) return;
    scores.push_back(predictions.probabilities[row][0]);
    targets.push_back(predictions.targets[row][0]);
    patients.push_back(predictions.patients[row]);
    folds.push_back(fold);
  }
};

/// Mean over the folds of each one's AUROC, a case counting `weights` times. NaN if a fold lacks a
/// class.
double mean_auroc(const Cases& cases, std::span<const double> weights, int folds) {
  double sum = 0;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<double> scores, targets;
    for (std::size_t i = 0; i < cases.scores.size(); ++i) {
      if (cases.folds[i] != fold) continue;
      const auto times = static_cast<std::size_t>(weights[i]);
      scores.insert(scores.end(), times, cases.scores[i]);
      targets.insert(targets.end(), times, cases.targets[i]);
    }
    sum += evaluate::auroc(scores, targets);
  }
  return sum / folds;
}

/// With its interval by a bootstrap of patients within fold and outcome.
Json estimate_mean(const Cases& cases, int folds) {
  const std::vector<double> once(cases.scores.size(), 1.0);
  const double value = mean_auroc(cases, once, folds);
  if (std::isnan(value)) return {{"value", nullptr}, {"reason", "a fold lacks one class"}};
  std::vector<int> strata;
  for (std::size_t i = 0; i < cases.scores.size(); ++i) {
    strata.push_back(2 * cases.folds[i] + (cases.targets[i] == 1 ? 1 : 0));
  }
  const evaluate::PatientBootstrap patients(
      evaluate::patient_numbers(cases.patients, cases.scores.size()), strata);
  const auto replicates =
      evaluate::bootstrap(patients, 1,
                          [&](std::span<const double> weights, std::span<double> values) {
                            values[0] = mean_auroc(cases, weights, folds);
                          },
                          {});
  const auto interval = evaluate::percentile_interval(replicates[0]);
  return {{"value", value}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace

void pool_folds(const Options& options) {
  const Task task{TaskKind::kBinary, {options.label}};
  const auto all = train::pool_folds(options.files, task);
  std::map<std::string, Cases> groups;  // "" = all
  Json folds = Json::array();
  std::size_t row = 0;
  for (std::size_t fold = 0; fold < options.files.size(); ++fold) {
    Cases own;
    const auto count = train::pool_folds({options.files[fold]}, task).ids.size();
    for (const auto end = row + count; row < end; ++row) {
      own.add(all, row, 0);
      groups[""].add(all, row, static_cast<int>(fold));
      for (const auto& [column, values] : all.subgroups) {
        if (values[row].empty()) continue;
        groups[column + "=" + values[row]].add(all, row, static_cast<int>(fold));
      }
    }
    folds.push_back(
        {{"n", own.scores.size()}, {"auroc", evaluate::auroc(own.scores, own.targets)}});
  }
  Json means;
  for (const auto& [name, cases] : groups) {
    means[name.empty() ? "overall" : name] =
        estimate_mean(cases, static_cast<int>(options.files.size()));
  }
  const Json out = {{"pooled", Json::parse(evaluate::to_json(evaluate::evaluate(all)))},
                    {"folds", folds},
                    {"mean_auroc", means}};
  std::cout << out.dump(1) << std::endl;
}

}  // namespace salus::bench
