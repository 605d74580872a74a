#include "engine/train/model_card.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>

namespace salus::train {
namespace {

std::string figure(const evaluate::Estimate& estimate) {
  if (std::isnan(estimate.value)) return "absent: " + estimate.absent_because;
  if (!estimate.interval) return fmt::format("{:.3f}", estimate.value);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", estimate.value, estimate.interval->low,
                     estimate.interval->high);
}

std::string metric_table(const std::vector<evaluate::Estimate>& estimates) {
  std::string text = "| metric | value (95 % interval) |\n|---|---|\n";
  for (const auto& estimate : estimates) {
    text += fmt::format("| {} | {} |\n", estimate.name, figure(estimate));
  }
  return text + "\n";
}

std::string part_row(const char* name, const data::Dataset& cases, std::size_t labels) {
  std::set<std::string> patients;
  std::size_t anonymous = 0;
  std::vector<double> sums(labels, 0);
  for (std::int64_t k = 0; k < cases.size(); ++k) {
    const data::CaseInfo& info = cases.info(k);
    info.patient.empty() ? void(++anonymous) : void(patients.insert(info.patient));
    for (std::size_t i = 0; i < info.target.size() && i < labels; ++i) {
      if (!std::isnan(info.target[i])) sums[i] += info.target[i];
    }
  }
  std::string row = fmt::format(
      "| {} | {} | {} |", name, cases.size(),
      patients.empty() ? std::string("not known") : fmt::format("{}", patients.size() + anonymous));
  for (const double sum : sums) row += fmt::format(" {:g} |", sum);
  return row + "\n";
}

std::string data_section(const infer::Bundle& bundle, const PublishConfig& config,
                         const Parts& parts) {
  const auto& labels = bundle.task.labels;
  std::string text = "## Data\n\n";
  if (!config.data.empty()) text += config.data + "\n\n";
  text += fmt::format("| part | cases | patients | {} |\n|---|---|---|{}\n",
                      fmt::join(labels, " | "), std::string(4 * labels.size(), '-') + "|");
  text += part_row("training", *parts.train, labels.size());
  if (parts.valid) text += part_row("validation", *parts.valid, labels.size());
  if (parts.test) text += part_row("held out", *parts.test, labels.size());
  text += "\nNo patient is in two parts, where patients are known.\n\n";
  if (parts.turns.empty()) return text;
  return text +
         fmt::format(
             "The training cases are in {} parts, by patient; each network was trained without "
             "one of them, in turn.\n\n",
             parts.turns.size());
}

std::string use_section(const infer::Bundle& bundle, const PublishConfig& config) {
  std::string text = fmt::format("## Intended use\n\n{}\n\n## Limits\n\n", config.intended_use);
  if (!config.limits.empty()) text += config.limits + "\n\n";
  const auto& accepts = bundle.accepts;
  std::vector<std::string> terms;
  if (!accepts.modalities.empty()) {
    terms.push_back(fmt::format("modality {}", fmt::join(accepts.modalities, " or ")));
  }
  if (!accepts.views.empty())
    terms.push_back(fmt::format("view {}", fmt::join(accepts.views, " or ")));
  if (accepts.samples > 0) terms.push_back(accepts.samples == 1 ? "grey images" : "colour images");
  if (accepts.max_bits > 0) {
    terms.push_back(fmt::format("{} to {} bits", accepts.min_bits, accepts.max_bits));
  }
  if (!accepts.unit.empty()) terms.push_back("values in " + accepts.unit);
  if (bundle.model.modality == Modality::kVitals) {
    return text +
           "It takes the variables and units that bundle.toml lists; others are left out.\n\n";
  }
  if (terms.empty()) return text + "It accepts any image that Salus reads.\n\n";
  return text + fmt::format("Accepted inputs: {}; others are {}.\n\n", fmt::join(terms, ", "),
                            accepts.refuse ? "refused" : "scored and flagged");
}

std::string metric_section(const evaluate::Evaluation& validation, bool in_turns) {
  std::string text = in_turns ? "## Metrics on the training part\n\nEach case was scored by the "
                                "networks that it was held out from. "
                              : "## Metrics on the validation part\n\n";
  text +=
      "The best epoch, the calibration and the thresholds were chosen on these cases, so the "
      "figures "
      "are hopeful. Judge the model by `salus evaluate` on data that it has not seen.\n\n";
  text += metric_table(validation.overall);
  for (const auto& label : validation.labels) {
    for (const auto& result : label.operating_points) {
      text += fmt::format("### {} at {} (p >= {:.4f})\n\n", label.label, result.point.name,
                          result.point.threshold);
      text += metric_table(result.metrics);
    }
  }
  if (validation.subgroups.empty()) return text;
  text += "### By subgroup\n\n| column | value | label | cases | AUROC |\n|---|---|---|---|---|\n";
  for (const auto& group : validation.subgroups) {
    const auto* area = evaluate::find(group.metrics, "auroc");
    text += fmt::format("| {} | {} | {} | {} | {} |\n", group.column, group.value, group.label,
                        group.n, area ? figure(*area) : "");
  }
  return text + "\n";
}

}  // namespace

std::string training_section(const infer::Bundle& bundle, const std::vector<MemberPlan>& members,
                             const std::vector<FitResult>& fits) {
  std::string text = fmt::format("## Training\n\nArchitecture {} on {}.\n\n", bundle.model.name,
                                 input_text(bundle.model));
  if (fits.size() > 1) {
    text +=
        "The score is the mean of the members' logits, each calibrated on what was held out from "
        "it.\n\n";
  }
  for (std::size_t m = 0; m < fits.size(); ++m) {
    const FitResult& fit = fits[m];
    text += fmt::format(
        "- {}, seed {}: {}{} {} of {} (validation {}: {:.4f}).\n", members[m].model.name,
        members[m].train.seed,
        fit.boosted ? "trees up to" : fmt::format("{} steps; the weights are those of", fit.steps),
        fit.boosted ? " round" : " epoch", fit.best_epoch + 1, fit.history.size(),
        members[m].train.monitor, fit.best_metric);
  }
  return text + "\nThe configuration lies beside the bundle as config.toml.\n\n";
}

std::string model_card(const infer::Bundle& bundle, const PublishConfig& config, const Parts& parts,
                       const std::string& training, const evaluate::Evaluation& validation) {
  std::string text = fmt::format("# {}\n\nA {} model for: {}.\n\n", bundle.name,
                                 to_string(bundle.task.kind), fmt::join(bundle.task.labels, ", "));
  text += use_section(bundle, config);
  text += data_section(bundle, config, parts);
  text += training + metric_section(validation, !parts.turns.empty());
  for (const auto& note : validation.notes) text += note + "\n";
  return text;
}

}  // namespace salus::train
