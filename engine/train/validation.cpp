#include "engine/train/validation.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "engine/evaluate/metrics.h"
#include "engine/io/error.h"
#include "engine/train/precision.h"

namespace salus::train {
namespace {

const std::vector<std::string> kBinaryNames = {
    "loss", "auroc", "auprc", "accuracy", "balanced_accuracy", "f1", "brier"};
const std::vector<std::string> kMulticlassNames = {"loss", "auroc", "auprc", "accuracy",
                                                   "balanced_accuracy"};
const std::vector<std::string> kRegressionNames = {"loss", "mae", "rmse", "r2"};

std::vector<double> column(const at::Tensor& values, std::int64_t i) {
  const auto plain = values.select(1, i).to(at::kDouble).contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

/// Mean of those that are not NaN.
double mean_defined(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

/// One row per metric of kBinaryNames (the loss left out), one value per label.
std::vector<std::vector<double>> per_label(const at::Tensor& logits, const at::Tensor& targets) {
  std::vector<std::vector<double>> rows(kBinaryNames.size() - 1);
  const auto probabilities = at::sigmoid(logits.to(at::kDouble));
  for (std::int64_t i = 0; i < logits.size(1); ++i) {
    // Ranking on the logits: probabilities of strong scores may be equal.
    const auto y = column(targets, i);
    const auto p = column(probabilities, i);
    const auto scores = column(logits, i);
    const evaluate::BinaryEvaluator evaluator(evaluate::sort_cases(p, y), 0.5,
                                              evaluate::kDecision | evaluate::kProbability);
    const auto metrics = evaluator();
    rows[0].push_back(evaluate::auroc(scores, y));
    rows[1].push_back(evaluate::auprc(scores, y));
    rows[2].push_back(metrics.accuracy);
    rows[3].push_back(metrics.balanced_accuracy);
    rows[4].push_back(metrics.f1);
    rows[5].push_back(metrics.brier);
  }
  return rows;
}

Metrics binary(const at::Tensor& logits, const at::Tensor& targets) {
  Metrics metrics;
  const auto rows = per_label(logits, targets);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    metrics.emplace_back(kBinaryNames[i + 1], mean_defined(rows[i]));
  }
  return metrics;
}

Metrics multiclass(const at::Tensor& logits, const at::Tensor& targets) {
  const auto known = at::isnan(targets).any(1).logical_not();
  const auto x = logits.index({known}), y = targets.index({known});
  const auto log_p = at::log_softmax(x.to(at::kDouble), 1);
  const auto right = x.argmax(1).eq(y.argmax(1)).to(at::kDouble);
  std::vector<double> areas, precisions, recalls;
  for (std::int64_t c = 0; c < x.size(1); ++c) {
    const auto scores = column(log_p, c), truth = column(y, c);
    areas.push_back(evaluate::auroc(scores, truth));
    precisions.push_back(evaluate::auprc(scores, truth));
    const auto of_class = y.select(1, c).to(at::kDouble);
    recalls.push_back(((right * of_class).sum() / of_class.sum()).item<double>());
  }
  return {{"auroc", mean_defined(areas)},
          {"auprc", mean_defined(precisions)},
          {"accuracy", right.mean().item<double>()},
          {"balanced_accuracy", mean_defined(recalls)}};
}

Metrics regression(const at::Tensor& values, const at::Tensor& targets) {
  const auto y = targets.to(at::kDouble);
  const auto error = values.to(at::kDouble) - y;
  const auto squared = error.square();
  const auto center = y - at::nanmean(y, 0, /*keepdim=*/true);
  return {{"mae", at::nanmean(error.abs()).item<double>()},
          {"rmse", at::nanmean(squared).sqrt().item<double>()},
          {"r2", 1 - (at::nansum(squared) / at::nansum(center.square())).item<double>()}};
}

/// Adds the rows of a batch; of labels a step a row for each step that has one.
void add_rows(const at::Tensor& logits, const at::Tensor& target,
              std::vector<at::Tensor>& all_logits, std::vector<at::Tensor>& all_targets) {
  if (logits.dim() == 2) {
    all_logits.push_back(logits);
    all_targets.push_back(target);
    return;
  }
  const auto labelled = at::isnan(target).all(2).logical_not();
  all_logits.push_back(logits.index({labelled}));
  all_targets.push_back(target.index({labelled}));
}

/// Keeps a model's mode while it lives.
class EvalScope {
 public:
  explicit EvalScope(Model& model) : model_(model), was_training_(model.is_training()) {
    model_.eval();
  }
  ~EvalScope() { model_.train(was_training_); }

 private:
  Model& model_;
  bool was_training_;
};

}  // namespace

Scores score(Model& model, const Samples& samples, std::int64_t batch_size,
             const at::Device& device, Precision precision) {
  const at::NoGradGuard no_grad;
  const EvalScope eval(model);
  std::vector<at::Tensor> logits, targets;
  const auto stream = samples.stream(samples.subset().positions, 0, batch_size, nullptr);
  for (SampleBatch item; stream->next(item);) {
    const AutocastScope autocast(device, precision);
    add_rows(model.forward(item.batch).to(at::kFloat), item.batch.target, logits, targets);
  }
  return {at::cat(logits).cpu(), at::cat(targets).cpu()};
}

std::vector<std::string> validation_metric_names(const Task& task) {
  switch (task.kind) {
    case TaskKind::kBinary:
    case TaskKind::kMultilabel:
      return kBinaryNames;
    case TaskKind::kMulticlass:
      return kMulticlassNames;
    case TaskKind::kRegression:
      return kRegressionNames;
  }
  return {};
}

void require_metric(const Task& task, const std::string& monitor) {
  const auto names = validation_metric_names(task);
  if (std::find(names.begin(), names.end(), monitor) != names.end()) return;
  throw UsageError(
      fmt::format("[train] monitor = \"{}\" is not a metric of a {} task; choose one of {}.",
                  monitor, to_string(task.kind), fmt::join(names, ", ")));
}

Metrics validation_metrics(const Task& task, const Loss& loss, const Scores& scores) {
  Metrics metrics{{"loss", loss(scores.logits, scores.targets).item<double>()}};
  Metrics more;
  if (task.kind == TaskKind::kMulticlass) {
    more = multiclass(scores.logits, scores.targets);
  } else if (task.kind == TaskKind::kRegression) {
    more = regression(scores.logits, scores.targets);
  } else {
    more = binary(scores.logits, scores.targets);
  }
  metrics.insert(metrics.end(), more.begin(), more.end());
  return metrics;
}

}  // namespace salus::train
