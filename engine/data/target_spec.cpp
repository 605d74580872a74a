#include "engine/data/target_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/core/toml_text.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

const std::vector<std::string> kAfter = {"unknown", "positive", "negative"};

std::vector<double> read_horizons(const Config& table) {
  const auto horizons = table.get_doubles("horizons");
  for (std::size_t i = 0; i < horizons.size(); ++i) {
    const bool again =
        std::find(horizons.begin(), horizons.begin() + static_cast<std::ptrdiff_t>(i),
                  horizons[i]) != horizons.begin() + static_cast<std::ptrdiff_t>(i);
    if (horizons[i] > 0 && std::isfinite(horizons[i]) && !again) continue;
    throw UsageError(fmt::format("{} must be hours above 0, each once.", table.where("horizons")));
  }
  if (horizons.empty()) {
    throw UsageError(fmt::format("{} must name at least one.", table.where("horizons")));
  }
  return horizons;
}

OnsetSpec read_onset(const Config& table) {
  OnsetSpec spec;
  spec.column = table.get_string("onset");
  spec.horizons = read_horizons(table);
  const auto after = table.get_choice("after_onset", kAfter, "unknown");
  spec.after = static_cast<OnsetSpec::After>(std::find(kAfter.begin(), kAfter.end(), after) -
                                             kAfter.begin());
  spec.censored_negative =
      table.get_choice("censored", {"unknown", "negative"}, "unknown") == "negative";
  spec.observed_until = table.get_string("observed_until", "");
  spec.label_lead = table.get_double("label_lead", 0);
  if (!(spec.label_lead >= 0) || !std::isfinite(spec.label_lead)) {
    throw UsageError(fmt::format("{} must be at least 0 hours.", table.where("label_lead")));
  }
  return spec;
}

NextSpec read_next(const Config& table) {
  NextSpec spec{table.get_strings("next"), table.get_int("ahead", 1)};
  if (spec.variables.empty()) {
    throw UsageError(fmt::format("{} must name at least one variable.", table.where("next")));
  }
  if (spec.ahead < 1) {
    throw UsageError(fmt::format("{} must be at least 1 bin.", table.where("ahead")));
  }
  return spec;
}

void need(const Config& table, const char* needed, const std::vector<std::string>& keys) {
  for (const auto& key : keys) {
    if (!table.has(key)) continue;
    throw UsageError(fmt::format("{} needs the key \"{}\" beside it.", table.where(key), needed));
  }
}

std::string onset_toml(const OnsetSpec& spec) {
  return fmt::format(
      "onset = {}\nhorizons = [{}]\nafter_onset = \"{}\"\ncensored = \"{}\"\n"
      "observed_until = {}\nlabel_lead = {}\n",
      toml_string(spec.column), fmt::join(spec.horizons, ", "),
      kAfter[static_cast<std::size_t>(spec.after)], spec.censored_negative ? "negative" : "unknown",
      toml_string(spec.observed_until), spec.label_lead);
}

std::string next_toml(const NextSpec& spec) {
  return fmt::format("next = {}\nahead = {}\n", toml_list(spec.variables), spec.ahead);
}

void check_count(const Task& task, std::size_t wanted, const Config& where, const char* key,
                 const char* what) {
  if (task.labels.size() == wanted) return;
  throw UsageError(
      fmt::format("{} has {} {}, but [task] labels names {} outputs; name one for each.",
                  where.where(key), wanted, what, task.labels.size()));
}

}  // namespace

std::string TargetSpec::toml() const {
  return onset ? onset_toml(*onset) : next ? next_toml(*next) : "";
}

TargetSpec read_targets(const Config& table) {
  TargetSpec spec;
  const bool onset = table.has("onset"), next = table.has("next");
  if (onset && next) {
    throw UsageError(fmt::format("{} and {} exclude each other: a bundle has one task.",
                                 table.where("onset"), table.where("next")));
  }
  if (onset) spec.onset = read_onset(table);
  if (next) spec.next = read_next(table);
  if (!onset) {
    need(table, "onset", {"horizons", "after_onset", "censored", "observed_until", "label_lead"});
  }
  if (!next) need(table, "next", {"ahead"});
  return spec;
}

void check_task(const TargetSpec& targets, const Task& task, const Config& where) {
  if (targets.onset) {
    check_count(task, targets.onset->horizons.size(), where, "horizons", "horizons");
    if (task.kind == TaskKind::kBinary || task.kind == TaskKind::kMultilabel) return;
    throw UsageError(fmt::format(
        "{} makes yes/no labels: [task] kind must be \"binary\" (one horizon) or \"multilabel\", "
        "not \"{}\".",
        where.where("onset"), to_string(task.kind)));
  }
  if (!targets.next) return;
  check_count(task, targets.next->variables.size(), where, "next", "variables");
  if (task.kind == TaskKind::kRegression) return;
  throw UsageError(
      fmt::format("{} asks for values: [task] kind must be \"regression\", not \"{}\".",
                  where.where("next"), to_string(task.kind)));
}

double ValueScale::value(double score) const {
  const double transformed = score * stddev + mean;
  switch (transform) {
    case kernels::GridTransform::kLog:
      return std::exp(transformed);
    case kernels::GridTransform::kLog1p:
      return std::expm1(transformed);
    case kernels::GridTransform::kNone:
      break;
  }
  return transformed;
}

}  // namespace salus::data
