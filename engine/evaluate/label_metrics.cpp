#include "engine/evaluate/label_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<MetricField<MulticlassMetrics>, 9> kMulticlass{{
    {"accuracy", &MulticlassMetrics::accuracy},
    {"balanced_accuracy", &MulticlassMetrics::balanced_accuracy},
    {"f1_macro", &MulticlassMetrics::f1_macro},
    {"auroc_macro", &MulticlassMetrics::auroc_macro},
    {"auroc_micro", &MulticlassMetrics::auroc_micro},
    {"auprc_macro", &MulticlassMetrics::auprc_macro},
    {"brier", &MulticlassMetrics::brier},
    {"log_loss", &MulticlassMetrics::log_loss},
    {"ece", &MulticlassMetrics::ece},
}};

constexpr std::array<MetricField<MultilabelMetrics>, 9> kMultilabel{{
    {"auroc_macro", &MultilabelMetrics::auroc_macro},
    {"auroc_micro", &MultilabelMetrics::auroc_micro},
    {"auprc_macro", &MultilabelMetrics::auprc_macro},
    {"auprc_micro", &MultilabelMetrics::auprc_micro},
    {"f1_macro", &MultilabelMetrics::f1_macro},
    {"balanced_accuracy_macro", &MultilabelMetrics::balanced_accuracy_macro},
    {"brier", &MultilabelMetrics::brier},
    {"log_loss", &MultilabelMetrics::log_loss},
    {"ece", &MultilabelMetrics::ece},
}};

void check_shapes(const Matrix& probabilities, const Matrix& targets) {
  if (probabilities.size() != targets.size()) {
    throw Error(fmt::format("There are predictions of {} cases but targets of {}.",
                            probabilities.size(), targets.size()));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (probabilities[i].size() == probabilities[0].size() &&
        targets[i].size() == probabilities[0].size()) {
      continue;
    }
    throw Error(fmt::format("Case {} has {} predictions and {} targets; {} labels were expected.",
                            i, probabilities[i].size(), targets[i].size(),
                            probabilities[0].size()));
  }
}

/// Position of the 1 of a one-hot row, -1 if the row holds NaN.
int class_of(const std::vector<double>& row, std::size_t number) {
  int found = -1;
  double sum = 0;
  for (std::size_t l = 0; l < row.size(); ++l) {
    if (std::isnan(row[l])) return -1;
    sum += row[l] == 0 || row[l] == 1 ? row[l] : 2;
    if (row[l] == 1) found = static_cast<int>(l);
  }
  if (sum == 1) return found;
  throw Error(fmt::format(
      "The target of case {} is not one-hot; give 1 for its class and 0 for the others, or NaN.",
      number));
}

std::vector<double> flatten(const Matrix& rows) {
  std::vector<double> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return flat;
}

std::vector<double> repeat_each(std::span<const double> weights, std::size_t times) {
  std::vector<double> repeated;
  repeated.reserve(weights.size() * times);
  for (const double w : weights) repeated.insert(repeated.end(), times, w);
  return repeated;
}

double mean_over(const std::vector<BinaryMetrics>& labels, double BinaryMetrics::* value) {
  double sum = 0;
  for (const BinaryMetrics& m : labels) sum += m.*value;  // NaN if any is absent
  return labels.empty() ? kAbsent : sum / static_cast<double>(labels.size());
}

double ratio(double a, double b) { return b > 0 ? a / b : kAbsent; }

}  // namespace

std::vector<double> column(const Matrix& rows, std::size_t label) {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const auto& row : rows) values.push_back(row[label]);
  return values;
}

std::span<const MetricField<MulticlassMetrics>> multiclass_metric_fields() { return kMulticlass; }
std::span<const MetricField<MultilabelMetrics>> multilabel_metric_fields() { return kMultilabel; }

MulticlassEvaluator::MulticlassEvaluator(const Matrix& probabilities, const Matrix& targets) {
  check_shapes(probabilities, targets);
  const std::size_t classes = probabilities.empty() ? 0 : probabilities[0].size();
  Matrix known = targets;
  confusion_.assign(classes, std::vector<double>(classes, 0));
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto& p = probabilities[i];
    const int truth = class_of(targets[i], i);
    const auto best = std::max_element(p.begin(), p.end());
    truth_.push_back(truth);
    called_.push_back(static_cast<int>(best - p.begin()));
    top_.push_back(*best);
    double squared = 0;
    for (std::size_t l = 0; l < classes; ++l) {
      squared += (p[l] - targets[i][l]) * (p[l] - targets[i][l]);
      // One unknown entry hides the whole row: the class is then not known.
      if (truth < 0) known[i][l] = kAbsent;
    }
    squared_.push_back(squared);
    constexpr double kClip = std::numeric_limits<double>::epsilon();
    log_loss_.push_back(truth < 0 ? 0 : -std::log(std::clamp(p[truth], kClip, 1 - kClip)));
    if (truth >= 0) confusion_[truth][called_.back()] += 1;
  }
  for (std::size_t l = 0; l < classes; ++l) {
    one_vs_rest_.emplace_back(sort_cases(column(probabilities, l), column(known, l)), 0.5,
                              kRanking);
  }
  micro_ = std::make_unique<BinaryEvaluator>(sort_cases(flatten(probabilities), flatten(known)),
                                             0.5, kRanking);
}

void MulticlassEvaluator::score_decisions(std::span<const double> weights,
                                          MulticlassMetrics& m) const {
  const std::size_t classes = one_vs_rest_.size();
  std::vector<double> actual(classes), called(classes), right(classes);
  std::array<double, kCalibrationBins> gap{};
  double n = 0, brier = 0, log_loss = 0, correct = 0;
  for (std::size_t i = 0; i < truth_.size(); ++i) {
    if (truth_[i] < 0) continue;
    const double w = weights[i];
    const bool is_right = truth_[i] == called_[i];
    actual[truth_[i]] += w;
    called[called_[i]] += w;
    if (is_right) right[truth_[i]] += w;
    n += w;
    correct += is_right ? w : 0;
    brier += w * squared_[i];
    log_loss += w * log_loss_[i];
    const auto bin = static_cast<std::size_t>(top_[i] * kCalibrationBins);
    gap[std::min<std::size_t>(bin, kCalibrationBins - 1)] += w * (top_[i] - is_right);
  }
  double recall = 0, f1 = 0, error = 0;
  for (std::size_t l = 0; l < classes; ++l) {
    recall += ratio(right[l], actual[l]);
    f1 += actual[l] > 0 ? 2 * right[l] / (actual[l] + called[l]) : kAbsent;
  }
  for (const double g : gap) error += std::abs(g);
  m.accuracy = ratio(correct, n);
  m.balanced_accuracy = recall / static_cast<double>(classes);
  m.f1_macro = f1 / static_cast<double>(classes);
  m.brier = ratio(brier, n);
  m.log_loss = ratio(log_loss, n);
  m.ece = ratio(error, n);
}

MulticlassMetrics MulticlassEvaluator::operator()(std::span<const double> weights) const {
  MulticlassMetrics m;
  for (const auto& field : kMulticlass) m.*field.value = kAbsent;
  if (one_vs_rest_.empty()) return m;
  std::vector<BinaryMetrics> each;
  for (const BinaryEvaluator& label : one_vs_rest_) each.push_back(label(weights));
  m.auroc_macro = mean_over(each, &BinaryMetrics::auroc);
  m.auprc_macro = mean_over(each, &BinaryMetrics::auprc);
  m.auroc_micro = (*micro_)(repeat_each(weights, one_vs_rest_.size())).auroc;
  score_decisions(weights, m);
  return m;
}

MulticlassMetrics MulticlassEvaluator::operator()() const {
  return (*this)(std::vector<double>(truth_.size(), 1.0));
}

MultilabelEvaluator::MultilabelEvaluator(const Matrix& probabilities, const Matrix& targets,
                                         const std::vector<double>& thresholds)
    : rows_(targets.size()) {
  check_shapes(probabilities, targets);
  for (std::size_t l = 0; l < thresholds.size(); ++l) {
    labels_.emplace_back(sort_cases(column(probabilities, l), column(targets, l)), thresholds[l],
                         kRanking | kDecision | kProbability);
  }
  micro_ = std::make_unique<BinaryEvaluator>(sort_cases(flatten(probabilities), flatten(targets)),
                                             0.5, kRanking);
}

MultilabelMetrics MultilabelEvaluator::operator()(std::span<const double> weights) const {
  std::vector<BinaryMetrics> each;
  for (const BinaryEvaluator& label : labels_) each.push_back(label(weights));
  const BinaryMetrics micro = (*micro_)(repeat_each(weights, labels_.size()));
  MultilabelMetrics m;
  m.auroc_macro = mean_over(each, &BinaryMetrics::auroc);
  m.auroc_micro = micro.auroc;
  m.auprc_macro = mean_over(each, &BinaryMetrics::auprc);
  m.auprc_micro = micro.auprc;
  m.f1_macro = mean_over(each, &BinaryMetrics::f1);
  m.balanced_accuracy_macro = mean_over(each, &BinaryMetrics::balanced_accuracy);
  m.brier = mean_over(each, &BinaryMetrics::brier);
  m.log_loss = mean_over(each, &BinaryMetrics::log_loss);
  m.ece = mean_over(each, &BinaryMetrics::ece);
  return m;
}

MultilabelMetrics MultilabelEvaluator::operator()() const {
  return (*this)(std::vector<double>(rows_, 1.0));
}

}  // namespace salus::evaluate
