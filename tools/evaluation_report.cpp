#include "tools/evaluation_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/data/image_dataset.h"
#include "engine/io/files.h"
#include "engine/report/png.h"
#include "tools/csv.h"
#include "tools/report_stays.h"

namespace salus::tools {
namespace {

constexpr std::size_t kWorstCases = 12;
constexpr int kThumbnailSide = 160;

/// What the network sees of a case, back in [0, 255].
report::Picture picture_of(const infer::Session& session, const io::Image& image) {
  const auto& transform = session.transform();
  const auto frames = transform.frames(image);
  const auto channels = [](const std::vector<double>& values) {
    return at::tensor(values, at::kFloat).view({-1, 1, 1});
  };
  const auto input = transform.apply(image, frames[frames.size() / 2])
                         .mul(channels(transform.spec().stddev))
                         .add(channels(transform.spec().mean))
                         .clamp(0, 1)
                         .mul(255)
                         .round()
                         .to(at::kByte)
                         .permute({1, 2, 0})
                         .contiguous();
  report::Picture picture;
  picture.rows = static_cast<int>(input.size(0));
  picture.columns = static_cast<int>(input.size(1));
  picture.samples = static_cast<int>(input.size(2));
  const auto* bytes = input.const_data_ptr<std::uint8_t>();
  picture.pixels.assign(bytes, bytes + input.numel());
  return picture;
}

std::vector<report::ReportCase> worst_cases(const EvaluationFindings& findings,
                                            const infer::Session& session,
                                            const data::Dataset& dataset) {
  std::vector<report::ReportCase> out;
  const auto& predictions = findings.scored.predictions;
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  const auto each = std::max<std::size_t>(1, kWorstCases / predictions.labels.size());
  for (std::size_t label = 0; label < predictions.labels.size() && out.size() < kWorstCases;
       ++label) {
    for (const auto& worst : evaluate::worst_cases(predictions, label, each)) {
      report::ReportCase item{worst.id, predictions.labels[label], worst.score, worst.target, {},
                              {}};
      if (images != nullptr) {
        const auto image = images->image(static_cast<std::int64_t>(worst.index));
        const auto picture = report::thumbnail(picture_of(session, image), kThumbnailSide);
        item.png = report::encode_png(picture);
      }
      out.push_back(std::move(item));
    }
  }
  return out;
}

report::Facts performance(const infer::Timing& timing) {
  return {{"Throughput", fmt::format("{:.0f} cases/s (median of {} passes; read, "
                                     "transformed and scored)",
                                     timing.cases_per_second, timing.passes)},
          {"Latency of one case",
           fmt::format("{:.2f} ms median, {:.2f} ms p95, {:.2f} ms p99", timing.latency_ms_p50,
                       timing.latency_ms_p95, timing.latency_ms_p99)},
          {"Stability", fmt::format("largest difference of a logit between passes, and alone "
                                    "against in a batch: {:g}",
                                    timing.largest_difference)}};
}

report::Facts provenance(const EvaluationFindings& findings, const infer::Session& session) {
  const auto& bundle = session.bundle();
  return {
      {"Command", fmt::format("salus evaluate {} {}", findings.bundle_path, findings.data_path)},
      {"Bundle", bundle.name},
      {"Weights (SHA-256)", io::sha256_file(findings.bundle_path + "/model.safetensors")},
      {"Architecture", fmt::format("{}, {}", bundle.model.name, input_text(bundle.model))},
      {"Salus", SALUS_VERSION},
      {"Date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))}};
}

}  // namespace

report::ReportData report_data(const EvaluationFindings& findings, const infer::Session& session,
                               const data::Dataset& dataset) {
  report::ReportData data;
  data.title = session.bundle().name;
  data.subtitle = fmt::format("Evaluated on {}", findings.data_path);
  data.evaluation = findings.evaluation;
  data.compared_with = findings.against_path;
  data.comparisons = findings.comparisons;
  data.worst = worst_cases(findings, session, dataset);
  data.stays = report_stays(findings.scored, findings.steps, session, dataset);
  data.performance = performance(findings.timing);
  data.provenance = provenance(findings, session);
  data.limits = {
      "Figures hold for data like the data evaluated here; see the bundle's MODEL_CARD.md "
      "for what it was trained on and what it is for."};
  return data;
}

std::string metrics_json(const EvaluationFindings& findings) {
  auto out = nlohmann::ordered_json::parse(evaluate::to_json(findings.evaluation));
  const auto& timing = findings.timing;
  out["unreadable"] = findings.unreadable;
  out["timing"] = {{"passes", timing.passes},
                   {"cases_per_second", timing.cases_per_second},
                   {"latency_ms",
                    {{"p50", timing.latency_ms_p50},
                     {"p95", timing.latency_ms_p95},
                     {"p99", timing.latency_ms_p99}}},
                   {"largest_difference", timing.largest_difference}};
  if (!findings.against_path.empty()) {
    out["against"] = findings.against_path;
    out["comparisons"] = nlohmann::ordered_json::parse(evaluate::to_json(findings.comparisons));
  }
  return out.dump(2) + "\n";
}

std::string predictions_csv(const EvaluationFindings& findings, const infer::Session& session) {
  const auto& predictions = findings.scored.predictions;
  const bool has_hours = !predictions.hours.empty();
  std::string out = has_hours ? "id,hour" : "id";
  for (const char* column : {"", "decision:", "target:"}) {
    for (const auto& label : predictions.labels) out += "," + csv_cell(column + label);
  }
  for (std::size_t i = 0; i < predictions.ids.size(); ++i) {
    out += "\n" + csv_cell(predictions.ids[i]);
    if (has_hours) out += fmt::format(",{}", predictions.hours[i]);
    for (double probability : predictions.probabilities[i]) out += fmt::format(",{}", probability);
    for (int decision : session.decisions(predictions.probabilities[i])) {
      out += decision < 0 ? std::string(",") : fmt::format(",{}", decision);
    }
    for (double target : predictions.targets[i]) {
      out += std::isnan(target) ? std::string(",") : fmt::format(",{}", target);
    }
  }
  return out + "\n";
}

}  // namespace salus::tools
