#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/infer/bundle_toml.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using evaluate::Calibration;

constexpr std::int64_t kMaxMicroBatch = 4096;

/// Sentence by sentence; the first that does not hold is thrown.
class Check {
 public:
  explicit Check(const std::string& origin) : origin_(origin) {}
  void that(bool holds, const std::string& otherwise) const {
    if (!holds) throw Error(fmt::format("{}: {}", origin_, otherwise));
  }

 private:
  const std::string& origin_;
};

void check_labels(const Bundle& bundle, const Check& check) {
  const auto& labels = bundle.task.labels;
  check.that(!labels.empty(), "the task has no labels.");
  check.that(std::set(labels.begin(), labels.end()).size() == labels.size(),
             "two labels have the same name.");
  check.that(bundle.task.kind != TaskKind::kBinary || labels.size() == 1,
             "a binary task has one label, the positive finding.");
  check.that(bundle.task.kind != TaskKind::kMulticlass || labels.size() >= 2,
             "a multiclass task has at least two labels.");
  check.that(bundle.scales.empty() || (bundle.task.kind == TaskKind::kRegression &&
                                       bundle.scales.size() == labels.size()),
             "the next values that the transform asks for are not those of the task.");
  check.that(bundle.model.outputs == bundle.task.outputs(),
             fmt::format("the model has {} outputs and the task {} labels.", bundle.model.outputs,
                         labels.size()));
}

bool is_monotone(const Calibration& c) {
  return c.x.size() == c.y.size() && !c.x.empty() && std::is_sorted(c.x.begin(), c.x.end()) &&
         std::is_sorted(c.y.begin(), c.y.end()) && c.y.front() >= 0 && c.y.back() <= 1;
}

void check_calibration(const Bundle& bundle, const Check& check) {
  using Kind = Calibration::Kind;
  const std::size_t count = bundle.calibration.size();
  const bool softmax = bundle.task.kind == TaskKind::kMulticlass;
  const std::size_t expected = softmax ? 1 : bundle.task.labels.size();
  check.that(count == 0 || count == expected,
             fmt::format("there are {} calibrations; {} are needed, or none.", count, expected));
  check.that(count == 0 || bundle.task.kind != TaskKind::kRegression,
             "a regression has no calibration.");
  for (const Calibration& c : bundle.calibration) {
    check.that(!softmax || c.kind == Kind::kNone || c.kind == Kind::kTemperature,
               "a multiclass task is calibrated by a temperature.");
    check.that(std::isfinite(c.temperature) && c.temperature > 0,
               "a calibration's temperature must be above 0.");
    check.that(std::isfinite(c.slope) && std::isfinite(c.intercept) && c.slope > 0,
               "a calibration's slope must be above 0.");
    check.that(c.kind != Kind::kIsotonic || is_monotone(c),
               "an isotonic calibration needs as many logits as probabilities, both rising.");
  }
}

void check_operating_points(const Bundle& bundle, const Check& check) {
  const auto& labels = bundle.task.labels;
  for (const OperatingPoint& point : bundle.operating_points) {
    check.that(
        std::find(labels.begin(), labels.end(), point.label) != labels.end(),
        fmt::format("the operating point '{}' is for the label '{}', which the task does not "
                    "have.",
                    point.name, point.label));
    check.that(
        std::isfinite(point.threshold),
        fmt::format("the threshold of the operating point '{}' is not a number.", point.name));
  }
}

void check_alarms(const Bundle& bundle, const Check& check) {
  const std::string problem = evaluate::problem_of(bundle.alarms);
  check.that(problem.empty(), problem);
  check.that(bundle.model.modality == Modality::kVitals || bundle.alarms == evaluate::AlarmTimes{},
             "only a model of vital signs raises alarms.");
}

void check_image_input(const Bundle& bundle, const Check& check) {
  const kernels::PreprocessSpec spec = bundle.transform().spec();
  const ModelSpec& model = bundle.model;
  check.that(
      spec.channels == model.channels && spec.height == model.height && spec.width == model.width,
      fmt::format("the transform makes {} x {} x {}, and the model takes {} x {} x {}.",
                  spec.channels, spec.height, spec.width, model.channels, model.height,
                  model.width));
}

void check_run(const Bundle& bundle, const Check& check) {
  check.that(bundle.micro_batch >= 1 && bundle.micro_batch <= kMaxMicroBatch,
             fmt::format("micro_batch must lie in 1 to {}.", kMaxMicroBatch));
  for (const std::string& dtype : {bundle.weights_dtype, bundle.compute_dtype}) {
    check.that(dtype == "float32" || dtype == "bfloat16",
               fmt::format("'{}' is neither float32 nor bfloat16.", dtype));
  }
}

}  // namespace

void check_consistent(const Bundle& bundle, const std::string& origin) {
  const Check check(origin);
  check_labels(bundle, check);
  check_calibration(bundle, check);
  check_operating_points(bundle, check);
  check_alarms(bundle, check);
  if (bundle.model.modality == Modality::kImage) check_image_input(bundle, check);
  check_run(bundle, check);
}

}  // namespace salus::infer
