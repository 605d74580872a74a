#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/core/estimator.h"
#include "tests/models/model_support.h"

// Small models of vital signs and stays for them.

namespace salus::test {

inline ModelSpec stay_spec(const std::string& name, std::map<std::string, double> options = {},
                           std::int64_t statics = 2) {
  ModelSpec spec;
  spec.name = name;
  spec.modality = Modality::kVitals;
  spec.variables = 3;
  spec.statics = statics;
  spec.steps = 6;
  spec.outputs = 2;
  spec.options = std::move(options);
  return spec;
}

/// Stays of the given lengths with random values, a third of them missing; without anything after
/// their ends.
inline Batch stays(const std::vector<std::int64_t>& lengths, std::uint64_t seed = 1,
                   std::int64_t steps = 6, std::int64_t statics = 2) {
  torch::manual_seed(seed);
  const auto n = static_cast<std::int64_t>(lengths.size());
  constexpr std::int64_t kVariables = 3;
  Batch batch;
  batch.inputs["mask"] = torch::rand({n, steps, kVariables}).gt(0.33).to(torch::kFloat);
  batch.inputs["values"] = torch::randn({n, steps, kVariables});
  batch.inputs["delta"] = torch::rand({n, steps, kVariables}) * 5;
  batch.inputs["length"] = torch::tensor(lengths, torch::kLong);
  if (statics > 0) batch.inputs["static"] = torch::randn({n, statics});
  batch.ids.resize(lengths.size());
  for (std::int64_t i = 0; i < n; ++i) {
    for (const char* name : {"mask", "values", "delta"}) {
      batch.inputs[name][i].slice(0, lengths[i]).zero_();
    }
  }
  return batch;
}

/// Cases [begin, end) of a batch.
inline Batch rows_of(const Batch& batch, std::int64_t begin, std::int64_t end) {
  Batch part;
  for (const auto& [name, tensor] : batch.inputs) part.inputs[name] = tensor.slice(0, begin, end);
  part.ids.resize(static_cast<std::size_t>(end - begin));
  return part;
}

inline std::vector<ModelEntry> vitals_entries() {
  Registry registry;
  register_zoo(registry);
  std::vector<ModelEntry> found;
  for (const ModelEntry& entry : registry.entries()) {
    if (entry.modality == Modality::kVitals) found.push_back(entry);
  }
  return found;
}

/// Those that are trained by gradients: networks with a state of so many units.
inline std::vector<std::string> vitals_names() {
  std::vector<std::string> names;
  for (const ModelEntry& entry : vitals_entries()) {
    if (entry.option_help.contains("hidden")) names.push_back(entry.name);
  }
  return names;
}

/// Fits an Estimator to `batch` with random labels.
inline void fit_to(Model& model, const Batch& batch, bool per_step, std::int64_t outputs = 2) {
  Batch labelled = batch;
  auto shape = std::vector<std::int64_t>{batch.size(), outputs};
  if (per_step) shape.insert(shape.begin() + 1, batch.inputs.at("values").size(1));
  torch::manual_seed(8);
  labelled.target = torch::rand(shape).lt(0.4).to(torch::kFloat);
  const auto once = [&labelled] {
    return [&labelled, given = false](Batch& out) mutable {
      out = labelled;
      return !std::exchange(given, true);
    };
  };
  EstimatorFit fit;
  fit.task = {TaskKind::kMultilabel, std::vector<std::string>(outputs, "label")};
  fit.train = once();
  fit.valid = once();
  fit.judge = [round = 0.0](const at::Tensor&, const at::Tensor&) mutable { return round += 1; };
  fit.report = [](std::int64_t) { return false; };
  dynamic_cast<Estimator&>(model).fit(fit);
}

}  // namespace salus::test
