#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "engine/evaluate/evaluation.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "models/zoo.h"
#include "tools/command.h"
#include "tools/evaluation_data.h"
#include "tools/evaluation_report.h"

namespace salus::tools {
namespace {

struct Options {
  Common common;
  std::string bundle, out, against;
  EvaluationData data;
  int passes = 3;
  std::int64_t alone = 200;
  evaluate::ResamplingOptions resampling;
  bool delong = false;
  std::optional<double> refractory, longest_lead;
};

/// \param told  why inputs were left out, as said already.
void compare_with(const std::string& path, const Registry& zoo, const Options& options,
                  const evaluate::EvaluationOptions& how, const std::set<std::string>& told,
                  EvaluationFindings& findings) {
  const auto other = infer::Session::load(path, zoo, options.common.device);
  const auto tell_new = [&told](const std::string& reason) {
    if (told.count(reason) == 0) print_skipped(reason);
  };
  const auto cases = options.data.score(other, options.common.threads, tell_new);
  findings.against_path = path;
  findings.comparisons =
      evaluate::compare(findings.scored.predictions, cases.scored.predictions, how.operating_points,
                        infer::evaluation_options(other.bundle()).operating_points, how.resampling,
                        how.level, how.steps.label_lead);
}

/// What the figures do not hold for. An input may be many cases: windows of one record.
void note_left_out(std::size_t inputs, evaluate::Evaluation& evaluation) {
  if (inputs == 0) return;
  auto& notes = evaluation.notes;
  notes.insert(notes.begin(),
               fmt::format("{} {} could not be read or scored and {} not in these figures.", inputs,
                           inputs == 1 ? "input" : "inputs", inputs == 1 ? "is" : "are"));
}

void write_results(const std::string& folder, const EvaluationFindings& findings,
                   const infer::Session& session, const data::Dataset& dataset) {
  std::filesystem::create_directories(folder);
  io::write_text(folder + "/metrics.json", metrics_json(findings));
  io::write_text(folder + "/predictions.csv", predictions_csv(findings, session));
  report::write_report(folder + "/report.html", report_data(findings, session, dataset));
  io::say_on_stderr(fmt::format("Report: {}/report.html", folder));
}

/// The bundle's own, but for what the options say.
evaluate::AlarmTimes alarm_times(const Options& options, evaluate::AlarmTimes times) {
  times.refractory = options.refractory.value_or(times.refractory);
  times.longest_lead = options.longest_lead.value_or(times.longest_lead);
  const std::string problem = evaluate::problem_of(times);
  if (!problem.empty()) throw UsageError("--refractory or --longest-lead: " + problem);
  return times;
}

int evaluate_bundle(const Options& options) {
  options.common.apply();
  if (options.passes < 1) throw UsageError("--passes must be at least 1.");
  Registry zoo;
  register_zoo(zoo);
  const auto session = infer::Session::load(options.bundle, zoo, options.common.device);
  std::set<std::string> told;
  const auto tell = [&told](const std::string& reason) {
    print_skipped(reason);
    told.insert(reason);
  };
  auto [dataset, scored, unreadable] = options.data.score(session, options.common.threads, tell);
  EvaluationFindings findings;
  findings.bundle_path = options.bundle;
  findings.data_path = options.data.path;
  findings.scored = std::move(scored);
  findings.unreadable = unreadable;
  auto how = infer::evaluation_options(session.bundle());
  how.resampling = options.resampling;
  how.resampling.threads = options.common.threads;
  how.delong = options.delong;
  how.steps.alarms = alarm_times(options, how.steps.alarms);
  findings.steps = how.steps;
  findings.evaluation = evaluate::evaluate(findings.scored.predictions, how);
  note_left_out(unreadable, findings.evaluation);
  findings.timing = infer::measure(session, *dataset, findings.scored, options.passes,
                                   options.alone, options.common.threads);
  if (!options.against.empty()) {
    compare_with(options.against, zoo, options, how, told, findings);
  }
  if (options.common.json) {
    fmt::print("{}", metrics_json(findings));
  } else {
    fmt::print("{}", evaluate::to_text(findings.evaluation));
    fmt::print("{}", findings.comparisons.empty() ? "" : evaluate::to_text(findings.comparisons));
  }
  write_results(options.out, findings, session, *dataset);
  return unreadable == 0 ? kDone : kSomeSkipped;
}

}  // namespace

void add_evaluate(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand(
      "evaluate", "Metrics with 95 % intervals, calibration and a report on labelled data");
  command->add_option("BUNDLE", options->bundle, "Folder of a trained model")->required();
  options->data.add_to(*command);
  command
      ->add_option("--out", options->out,
                   "Folder for report.html, metrics.json and predictions.csv")
      ->default_val("evaluation")
      ->type_name("DIR");
  command
      ->add_option("--against", options->against,
                   "Second bundle, compared on the same cases by paired tests")
      ->type_name("BUNDLE");
  command
      ->add_option("--passes", options->passes,
                   "Passes over the data, for throughput and "
                   "stability")
      ->capture_default_str();
  command
      ->add_option("--alone", options->alone,
                   "Cases that are also scored one by one, for "
                   "latency")
      ->capture_default_str();
  command
      ->add_option("--replicates", options->resampling.replicates,
                   "Bootstrap replicates (0: analytic intervals only)")
      ->capture_default_str();
  command->add_option("--seed", options->resampling.seed, "Seed of the bootstrap")
      ->capture_default_str();
  command->add_option("--refractory", options->refractory,
                      "Stays: hours between two alarms of a stay (default: the bundle's)");
  command->add_option("--longest-lead", options->longest_lead,
                      "Stays: hours before an onset from which on an alarm is of it (default: the "
                      "bundle's)");
  command->add_flag("--delong", options->delong, "Interval of AUROC by DeLong");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = evaluate_bundle(*options); });
}

}  // namespace salus::tools
