#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "engine/core/estimator.h"
#include "engine/core/registry.h"
#include "models/tabular/forest.h"

namespace salus::models {

/// How trees are grown, under XGBoost's names.
struct BoostingOptions {
  std::int64_t n_estimators, max_depth, max_bin, early_stopping_rounds;
  double learning_rate, min_child_weight, subsample, colsample_bytree, reg_lambda;

  /// \throws UsageError for a value out of range.
  explicit BoostingOptions(const ModelSpec& spec);
  static std::map<std::string, std::string> help();
};

/// Rows of the training and the validation part with their targets, NaN = missing and not known.
struct BoostingData {
  at::Tensor train, train_targets;  ///< float32 [R, F] and [R, L]
  at::Tensor valid, valid_targets;
};

/// Grows trees by gradient boosting (XGBoost, histogram method) and keeps those up to the round that
/// `fit.judge` likes best on the validation part; stops when that is `early_stopping_rounds` back.
///
/// Binary and multilabel: logistic loss, a forest for each label on the rows whose label is known.
/// Multiclass: softmax. Regression: squared error.
///
/// \returns that round, -1 if it was stopped: then the forest is as before.
/// \throws Error if no row of the training part has a known target.
std::int64_t grow(ForestImpl& forest, const BoostingOptions& options, const BoostingData& data,
                  const EstimatorFit& fit);

}  // namespace salus::models
