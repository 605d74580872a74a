#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/evaluate/evaluation.h"
#include "engine/io/error.h"

namespace salus::evaluate {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kCurvePoints = 200;

/// JSON has no NaN and no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json estimate(const Estimate& e) {
  if (std::isnan(e.value)) return {{"value", nullptr}, {"reason", e.absent_because}};
  Json json{{"value", number(e.value)}};
  if (e.interval) {
    json["low"] = number(e.interval->low);
    json["high"] = number(e.interval->high);
    json["method"] = e.interval->method;
  }
  return json;
}

Json estimates(const std::vector<Estimate>& all) {
  Json json = Json::object();
  for (const Estimate& e : all) json[e.name] = estimate(e);
  return json;
}

Json confusion(const Confusion& c) {
  return {{"tp", c.tp}, {"fp", c.fp}, {"tn", c.tn}, {"fn", c.fn}};
}

/// Every so many points, the last one always.
template <typename Point, typename Write>
Json curve(const std::vector<Point>& points, const Write& write) {
  Json json = Json::array();
  const std::size_t step = points.size() / kCurvePoints + 1;
  for (std::size_t i = 0; i < points.size(); i += step) json.push_back(write(points[i]));
  if (!points.empty() && (points.size() - 1) % step != 0) json.push_back(write(points.back()));
  return json;
}

Json prevalence(std::size_t positives, std::size_t n) {
  return n == 0 ? Json(nullptr) : Json(static_cast<double>(positives) / static_cast<double>(n));
}

Json operating_points(const std::vector<OperatingResult>& results) {
  Json json = Json::array();
  for (const OperatingResult& r : results) {
    json.push_back({{"name", r.point.name},
                    {"threshold", r.point.threshold},
                    {"confusion", confusion(r.confusion)},
                    {"metrics", estimates(r.metrics)}});
    if (!r.stays.empty()) json.back()["stays"] = estimates(r.stays);
  }
  return json;
}

Json reliability(const std::vector<ReliabilityBin>& bins) {
  Json json = Json::array();
  for (const ReliabilityBin& bin : bins) {
    json.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"n", bin.n},
                    {"predicted", number(bin.predicted)},
                    {"observed", number(bin.observed)}});
  }
  return json;
}

Json label(const LabelResult& r, bool yes_no) {
  Json json{{"label", r.label}, {"n", r.n}, {"patients", r.patients}, {"masked", r.masked}};
  if (yes_no) {
    json["positives"] = r.positives;
    json["prevalence"] = prevalence(r.positives, r.n);
  }
  if (r.stays > 0) {
    json["stays"] = r.stays;
    json["positive_stays"] = r.positive_stays;
  }
  json["metrics"] = estimates(r.metrics);
  if (!yes_no) return json;
  json["operating_points"] = operating_points(r.operating_points);
  json["confusion"] = confusion(r.confusion);
  json["roc"] = curve(r.roc, [](const RocPoint& p) {
    return Json{{"fpr", p.fpr}, {"tpr", p.tpr}, {"threshold", number(p.threshold)}};
  });
  json["pr"] = curve(r.pr, [](const PrPoint& p) {
    return Json{{"recall", p.recall}, {"precision", p.precision}, {"threshold", p.threshold}};
  });
  json["reliability"] = reliability(r.reliability);
  return json;
}

Json alarm_times(const AlarmTimes& times) {
  return {{"refractory_hours", times.refractory},
          {"longest_lead_hours", number(times.longest_lead)}};
}

Json subgroup(const SubgroupResult& r, bool yes_no) {
  Json json{{"column", r.column}, {"value", r.value}};
  if (!r.label.empty()) json["label"] = r.label;
  json["n"] = r.n;
  json["patients"] = r.patients;
  if (yes_no && !r.label.empty()) {
    json["positives"] = r.positives;
    json["prevalence"] = prevalence(r.positives, r.n);
  }
  json["metrics"] = estimates(r.metrics);
  return json;
}

const char* task_name(TaskKind task) {
  switch (task) {
    case TaskKind::kBinary:
      return "binary";
    case TaskKind::kMulticlass:
      return "multiclass";
    case TaskKind::kMultilabel:
      return "multilabel";
    case TaskKind::kRegression:
      return "regression";
  }
  throw Error("An evaluation is of no known task.");
}

}  // namespace

std::string to_json(const Evaluation& evaluation) {
  const bool yes_no = evaluation.task != TaskKind::kRegression;
  Json json{{"task", task_name(evaluation.task)},
            {"n", evaluation.n},
            {"patients", evaluation.patients},
            {"interval",
             {{"level", evaluation.level},
              {"replicates", evaluation.replicates},
              {"seed", evaluation.seed}}},
            {"overall", estimates(evaluation.overall)}};
  if (evaluation.task == TaskKind::kMulticlass) json["averaging"] = "one-vs-rest";
  json["labels"] = Json::array();
  for (const LabelResult& r : evaluation.labels) json["labels"].push_back(label(r, yes_no));
  const auto has_stays = [](const LabelResult& r) { return r.stays > 0; };
  if (std::any_of(evaluation.labels.begin(), evaluation.labels.end(), has_stays)) {
    json["alarms"] = alarm_times(evaluation.alarms);
  }
  json["subgroups"] = Json::array();
  for (const auto& r : evaluation.subgroups) json["subgroups"].push_back(subgroup(r, yes_no));
  if (!evaluation.confusion.empty()) json["confusion"] = evaluation.confusion;
  json["notes"] = evaluation.notes;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace salus::evaluate
