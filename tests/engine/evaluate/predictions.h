#pragma once

#include <string>
#include <vector>

#include "engine/evaluate/evaluation.h"
#include "tests/engine/evaluate/golden.h"

// Predictions that tests of evaluation and comparison share.

namespace salus::evaluate::testing {

inline Matrix as_column(const std::vector<double>& values) {
  Matrix rows;
  for (const double v : values) rows.push_back({v});
  return rows;
}

/// Golden binary case 0, two cases per patient, a column of subgroups.
inline Predictions binary_predictions(int golden = 0) {
  const auto g = load_golden("binary")[golden];
  Predictions p;
  p.labels = {"pneumonia"};
  p.probabilities = as_column(to_numbers(g["probabilities"]));
  p.targets = as_column(to_numbers(g["targets"]));
  for (std::size_t i = 0; i < p.targets.size(); ++i) {
    p.ids.push_back("file" + std::to_string(i) + ".png");
    p.patients.push_back("SECRET" + std::to_string(i / 2));
    p.subgroups["view"].push_back(i % 3 == 0 ? "AP" : i % 50 == 1 ? "" : "PA");
  }
  return p;
}

inline EvaluationOptions quick(int replicates = 200) {
  EvaluationOptions options;
  options.resampling.replicates = replicates;
  options.resampling.seed = 11;
  return options;
}

}  // namespace salus::evaluate::testing
