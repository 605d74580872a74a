#include "models/tabular/boosting.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "engine/io/error.h"
#include "models/options.h"
#include "models/tabular/feature_bins.h"
#include "models/tabular/xgboost_library.h"

namespace salus::models {
namespace {

using Json = nlohmann::json;

double number_option(const ModelSpec& spec, const std::string& key, double fallback, double low,
                     double high) {
  const double value = spec.option(key, fallback);
  if (value >= low && value <= high) return value;
  throw UsageError(fmt::format("The option '{}' of the model '{}' is {}; it must be from {} to {}.",
                               key, spec.name, value, low, high));
}

/// A tree of XGBoost's JSON, copied into a complete one.
class TreeCopy {
 public:
  TreeCopy(const Json& tree, const FeatureBins& bins, std::int64_t depth)
      : bins_(bins),
        inner_((std::int64_t{1} << depth) - 1),
        left_(tree.at("left_children").get<std::vector<std::int64_t>>()),
        right_(tree.at("right_children").get<std::vector<std::int64_t>>()),
        index_(tree.at("split_indices").get<std::vector<std::int64_t>>()),
        missing_left_(tree.at("default_left").get<std::vector<int>>()),
        condition_(tree.at("split_conditions").get<std::vector<double>>()) {}

  void into(const at::Tensor& feature, const at::Tensor& threshold, const at::Tensor& leaf) {
    feature_ = feature.mutable_data_ptr<std::int32_t>();
    threshold_ = threshold.mutable_data_ptr<float>();
    leaf_ = leaf.mutable_data_ptr<float>();
    copy(0, 0);
  }

 private:
  void copy(std::int64_t node, std::int64_t to) {
    const bool ends = left_[node] < 0;
    if (to >= inner_) {
      TORCH_INTERNAL_ASSERT(ends, "a tree is deeper than asked for");
      leaf_[to - inner_] = static_cast<float>(condition_[node]);
      return;
    }
    feature_[to] = 0;
    threshold_[to] = std::numeric_limits<float>::max();
    if (!ends) split(node, to);
    copy(ends ? node : left_[node], 2 * to + 1);
    copy(ends ? node : right_[node], 2 * to + 2);
  }

  /// A code below `condition` goes left.
  void split(std::int64_t node, std::int64_t to) {
    const auto& cuts = bins_.cuts(index_[node]);
    const auto code = static_cast<std::int64_t>(std::ceil(condition_[node]));
    const auto index = static_cast<std::int32_t>(index_[node]);
    feature_[to] = missing_left_[node] != 0 ? ~index : index;
    if (code <= 0) threshold_[to] = std::numeric_limits<float>::lowest();
    if (code > 0 && code <= static_cast<std::int64_t>(cuts.size())) threshold_[to] = cuts[code - 1];
  }

  const FeatureBins& bins_;
  std::int64_t inner_;
  std::vector<std::int64_t> left_, right_, index_;
  std::vector<int> missing_left_;
  std::vector<double> condition_;  ///< of a leaf its value
  std::int32_t* feature_ = nullptr;
  float *threshold_ = nullptr, *leaf_ = nullptr;
};

/// One model of the library: of one output or, multiclass, of all.
struct Grown {
  BoostingRows train, valid;
  std::vector<float> base;
  Booster booster;
};

class Growth {
 public:
  Growth(ForestImpl& forest, const BoostingOptions& options, const BoostingData& data,
         const EstimatorFit& fit)
      : forest_(forest),
        options_(options),
        data_(data),
        fit_(fit),
        bins_(data.train, options.max_bin),
        train_(bins_.codes(data.train)),
        valid_(bins_.codes(data.valid)) {
    if (fit.task.kind == TaskKind::kMulticlass) {
      add_classes();
    } else {
      for (std::int64_t l = 0; l < data.train_targets.size(1); ++l) add_output(l);
    }
  }

  std::int64_t run() {
    const std::int64_t most = fit_.most_rounds > 0 ? fit_.most_rounds : options_.n_estimators;
    double best = std::nan("");
    std::int64_t best_round = 0;
    for (std::int64_t round = 0; round < most; ++round) {
      for (Grown& one : grown_) one.booster.update(static_cast<int>(round));
      const double quality = fit_.judge(valid_logits(), data_.valid_targets);
      if (std::isnan(best) || quality > best) {
        best = quality;
        best_round = round;
      }
      if (fit_.report(round)) return -1;
      if (round - best_round >= options_.early_stopping_rounds) break;
    }
    keep(best_round + 1);
    return best_round;
  }

 private:
  std::map<std::string, std::string> parameters() const {
    return {{"booster", "gbtree"},
            {"tree_method", "hist"},
            {"verbosity", "0"},
            {"disable_default_eval_metric", "1"},
            {"nthread", std::to_string(fit_.threads)},
            {"seed", std::to_string(fit_.seed)},
            {"max_bin", std::to_string(FeatureBins::kMost)},
            {"max_depth", std::to_string(options_.max_depth)},
            {"learning_rate", fmt::format("{}", options_.learning_rate)},
            {"min_child_weight", fmt::format("{}", options_.min_child_weight)},
            {"subsample", fmt::format("{}", options_.subsample)},
            {"colsample_bytree", fmt::format("{}", options_.colsample_bytree)},
            {"reg_lambda", fmt::format("{}", options_.reg_lambda)},
            // Of the margin for a class, a mean for a value; a probability would be its logit.
            {"base_score", "0.5"}};
  }

  BoostingRows rows(const at::Tensor& codes, const at::Tensor& labels, const at::Tensor& known) {
    return {codes.index({known}), labels.index({known}), FeatureBins::kMissing};
  }

  void add(const at::Tensor& train_labels, const at::Tensor& valid_labels, const at::Tensor& known,
           std::map<std::string, std::string> with, std::vector<float> base) {
    BoostingRows train = rows(train_, train_labels, known);
    BoostingRows valid =
        rows(valid_, at::nan_to_num(valid_labels), at::ones_like(valid_labels, at::kBool));
    with.merge(parameters());
    Booster booster(with, train, valid);
    grown_.push_back({std::move(train), std::move(valid), std::move(base), std::move(booster)});
  }

  void add_output(std::int64_t l) {
    const at::Tensor labels = data_.train_targets.select(1, l).contiguous();
    const at::Tensor known = labels.isnan().logical_not();
    if (!known.any().item<bool>()) {
      throw Error(fmt::format("No case of the training part has a known target of output {}.", l));
    }
    const double mean = labels.index({known}).to(at::kDouble).mean().item<double>();
    const bool value = fit_.task.kind == TaskKind::kRegression;
    const double share = std::clamp(mean, 1e-6, 1 - 1e-6);
    const double base = value ? mean : std::log(share / (1 - share));
    add(labels, data_.valid_targets.select(1, l).contiguous(), known,
        {{"objective", value ? "reg:squarederror" : "binary:logistic"},
         {"base_score", fmt::format("{}", value ? mean : share)}},
        {static_cast<float>(base)});
  }

  void add_classes() {
    const at::Tensor known = data_.train_targets.isnan().any(1).logical_not();
    const auto classes = data_.train_targets.size(1);
    if (!known.any().item<bool>()) {
      throw Error("No case of the training part has a known class.");
    }
    const auto index = [](const at::Tensor& targets) {
      return at::nan_to_num(targets).argmax(1).to(at::kFloat);
    };
    add(index(data_.train_targets), index(data_.valid_targets), known,
        {{"objective", "multi:softprob"}, {"num_class", std::to_string(classes)}},
        std::vector<float>(static_cast<std::size_t>(classes), 0.5F));
  }

  at::Tensor valid_logits() const {
    std::vector<at::Tensor> margins;
    margins.reserve(grown_.size());
    for (const Grown& one : grown_) margins.push_back(one.booster.valid_margins());
    return at::cat(margins, 1);
  }

  /// Copies the trees of the first `rounds` rounds.
  void keep(std::int64_t rounds) {
    for (at::Tensor* buffer : {&forest_.feature, &forest_.threshold, &forest_.leaf})
      buffer->zero_();
    std::int64_t first = 0;  // output of a model's first class
    for (const Grown& one : grown_) {
      const Json model = one.booster.model();
      const Json& booster = model.at("learner").at("gradient_booster").at("model");
      const auto output = booster.at("tree_info").get<std::vector<std::int64_t>>();
      const auto classes = static_cast<std::int64_t>(one.base.size());
      for (std::int64_t t = 0; t < rounds * classes; ++t) {
        const std::int64_t l = first + output[t], place = t / classes;
        TreeCopy(booster.at("trees").at(t), bins_, options_.max_depth)
            .into(forest_.feature[l][place], forest_.threshold[l][place], forest_.leaf[l][place]);
      }
      for (const float base : one.base) forest_.base[first++].fill_(base);
    }
  }

  ForestImpl& forest_;
  const BoostingOptions& options_;
  const BoostingData& data_;
  const EstimatorFit& fit_;
  FeatureBins bins_;
  at::Tensor train_, valid_;
  std::vector<Grown> grown_;
};

}  // namespace

BoostingOptions::BoostingOptions(const ModelSpec& spec)
    : n_estimators(positive_option(spec, "n_estimators", 400, 10000)),
      max_depth(positive_option(spec, "max_depth", 4, 10)),
      max_bin(positive_option(spec, "max_bin", 128, FeatureBins::kMost, 2)),
      early_stopping_rounds(positive_option(spec, "early_stopping_rounds", 40)),
      learning_rate(number_option(spec, "learning_rate", 0.06, 1e-6, 1)),
      min_child_weight(number_option(spec, "min_child_weight", 1, 0, 1e9)),
      subsample(number_option(spec, "subsample", 0.5, 1e-3, 1)),
      colsample_bytree(number_option(spec, "colsample_bytree", 0.3, 1e-3, 1)),
      reg_lambda(number_option(spec, "reg_lambda", 5, 0, 1e9)) {}

std::map<std::string, std::string> BoostingOptions::help() {
  return {{"n_estimators", "rounds of boosting at most (400)"},
          {"max_depth", "levels of a tree, 1 to 10 (4)"},
          {"max_bin", "bins of a feature, 2 to 255 (128)"},
          {"early_stopping_rounds", "rounds without a better monitored metric (40)"},
          {"learning_rate", "factor of each tree (0.06)"},
          {"min_child_weight", "least sum of second derivatives in a leaf (1)"},
          {"subsample", "share of the rows that a tree is grown on (0.5)"},
          {"colsample_bytree", "share of the features that a tree is grown on (0.3)"},
          {"reg_lambda", "penalty on squared leaves (5)"}};
}

std::int64_t grow(ForestImpl& forest, const BoostingOptions& options, const BoostingData& data,
                  const EstimatorFit& fit) {
  const at::NoGradGuard guard;
  return Growth(forest, options, data, fit).run();
}

}  // namespace salus::models
