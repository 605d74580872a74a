#include "tools/explain_stay.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/data/source.h"
#include "engine/data/stay_transform.h"
#include "engine/explain/integrated_gradients.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/report/heat_table.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kRows = 20;

std::int64_t label_position(const Task& task, const std::string& label) {
  if (label.empty()) return 0;
  const auto found = std::find(task.labels.begin(), task.labels.end(), label);
  if (found != task.labels.end()) return found - task.labels.begin();
  throw UsageError(fmt::format("The bundle has no label \"{}\"; it has {}.", label,
                               fmt::join(task.labels, ", ")));
}

/// The stay that is named, or the only one there is.
Batch find_stay(const data::Source& source, const std::string& id) {
  const auto& cases = source.cases();
  if (id.empty() && cases.size() != 1) {
    throw UsageError(fmt::format("There are {} stays: name one with --stay.", cases.size()));
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (id.empty() || cases[i].id == id) {
      return source.open({static_cast<std::int64_t>(i)})->load({0});
    }
  }
  throw Error(fmt::format("There is no stay \"{}\" in the data.", id));
}

/// Columns by what they add and take away in all, the most first.
std::vector<std::int64_t> by_magnitude(const at::Tensor& values) {
  const at::Tensor order = values.abs().sum(0).argsort(0, /*descending=*/true);
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < order.size(0); ++i)
    positions.push_back(order[i].item<std::int64_t>());
  return positions;
}

Json attributions_json(const explain::StayAttribution& found, const Batch& stay,
                       const data::StayTransform& transform) {
  Json list = Json::array();
  for (const auto d : by_magnitude(found.values)) {
    const auto& name = transform.variables().variables()[static_cast<std::size_t>(d)].name;
    const auto measured = transform.measured_at(stay.inputs.at("mask")[0], d);
    for (std::int64_t t = 0; t < found.values.size(0); ++t) {
      const auto share = found.values[t][d].item<float>();
      if (share == 0) continue;
      const auto from = measured[static_cast<std::size_t>(t)];
      list.push_back({{"variable", name},
                      {"hour", static_cast<double>(t) * transform.step()},
                      {"z", stay.inputs.at("values")[0][t][d].item<float>()},
                      {"value_is", from == t  ? "measured"
                                   : from < 0 ? "default"
                                              : "carried"},
                      {"attribution", share}});
      if (from >= 0) list.back()["measured_at"] = static_cast<double>(from) * transform.step();
    }
  }
  return list;
}

Json statics_json(const explain::StayAttribution& found, const Batch& stay,
                  const std::vector<std::string>& names) {
  Json list = Json::array();
  for (std::int64_t s = 0; s < found.statics.size(0); ++s) {
    list.push_back({{"column", names[static_cast<std::size_t>(s)]},
                    {"z", stay.inputs.at("static")[0][s].item<float>()},
                    {"attribution", found.statics[s].item<float>()}});
  }
  return list;
}

std::int64_t steps_of(const Batch& stay) { return stay.inputs.at("length").item<std::int64_t>(); }

/// Rows of the variables that matter most, and below them the static columns.
report::HeatTable heat_table(const explain::StayAttribution& found, const Batch& stay,
                             const data::StayTransform& transform, const std::string& title) {
  report::HeatTable table;
  table.title = title;
  table.column_step = transform.step();
  const bool empty = steps_of(stay) == 0;
  if (empty) table.columns = "no rows of measurements: the score rests on static values alone";
  for (const auto d : by_magnitude(found.values)) {
    if (empty || table.rows.size() == kRows) break;
    table.rows.push_back(transform.variables().variables()[static_cast<std::size_t>(d)].name);
    auto& row = table.values.emplace_back();
    auto& marked = table.marked.emplace_back();
    for (std::int64_t t = 0; t <= found.step; ++t) {
      row.push_back(found.values[t][d].item<float>());
      marked.push_back(stay.inputs.at("mask")[0][t][d].item<float>() != 0);
    }
  }
  const auto names = transform.static_names();
  for (const auto s : by_magnitude(found.statics.unsqueeze(0))) {
    if (table.singles.size() == kRows) break;
    table.singles.push_back({names[static_cast<std::size_t>(s)], found.statics[s].item<float>()});
  }
  return table;
}

}  // namespace

void explain_stay(const infer::Session& session, const ExplainStay& what, int threads) {
  const auto& bundle = session.bundle();
  const data::StayTransform transform = bundle.stay_transform();
  const auto label = label_position(bundle.task, what.label);
  const auto source = what.data.open(bundle, {what.path}, threads);
  const Batch stay = find_stay(*source, what.id);
  std::optional<std::int64_t> step;
  if (what.hour >= 0) step = transform.bin(what.hour);
  if (step && !bundle.model.per_step) {
    throw UsageError("--hour is for bundles that score every step; this one scores whole stays.");
  }
  const auto found = explain::integrated_gradients(*session.model(), stay, label, step);
  const auto said = session.predict(stay);
  const auto& scored =
      bundle.model.per_step ? said.at(static_cast<std::size_t>(found.step)) : said.at(0);
  const std::string name = bundle.task.labels[static_cast<std::size_t>(label)];
  const double probability = scored.probabilities[static_cast<std::size_t>(label)];
  io::write_text(what.out, report::heat_table_svg(heat_table(
                               found, stay, transform,
                               fmt::format("{}: {} {:.3f}", stay.ids[0], name, probability))));
  const Json out = {{"id", stay.ids[0]},
                    {"label", name},
                    {"method", "integrated-gradients"},
                    {"steps", steps_of(stay)},
                    {"hour", static_cast<double>(found.step) * transform.step()},
                    {"probability", probability},
                    {"logit", found.logit},
                    {"baseline_logit", found.baseline},
                    {"gap", found.gap},
                    {"attributions", attributions_json(found, stay, transform)},
                    {"statics", statics_json(found, stay, transform.static_names())},
                    {"heatmap", what.out}};
  fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace salus::tools
