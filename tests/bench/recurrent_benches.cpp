#include <torch/torch.h>

#include <algorithm>

#include "engine/core/model.h"
#include "engine/core/step_network.h"
#include "tests/bench/benches.h"
#include "tests/bench/networks.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

/// A model without statics whose parameters, in order of name, are formulas.
std::shared_ptr<Model> formula_model(const std::string& name, std::int64_t variables,
                                     std::int64_t hidden) {
  ModelSpec spec;
  spec.name = name;
  spec.modality = Modality::kVitals;
  spec.variables = variables;
  spec.steps = 48;
  spec.options["hidden"] = static_cast<double>(hidden);
  auto model = make_model(spec);
  const torch::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> named;
  for (const auto& item : model->named_parameters()) named[item.key()] = item.value();
  double phase = 1;
  for (auto& [key, parameter] : named) parameter.copy_(formula(parameter.sizes(), phase++, 0.08));
  return model;
}

Batch formula_stays(std::int64_t stays, std::int64_t steps, std::int64_t variables) {
  const std::vector<std::int64_t> shape = {stays, steps, variables};
  const auto index = at::arange(stays * steps * variables, at::kLong);
  Batch batch;
  batch.inputs["values"] = formula(shape, 0, 1);
  batch.inputs["mask"] = ((index * 7919).remainder(10) < 3).to(at::kFloat).view(shape);
  batch.inputs["delta"] = (index.remainder(7).to(at::kFloat) / 4).view(shape);
  batch.inputs["length"] = at::full({stays}, steps, at::kLong);
  batch.ids.resize(static_cast<std::size_t>(stays));
  return batch;
}

std::vector<double> first_eight(const at::Tensor& logits) {
  const at::Tensor few = logits.detach().flatten().slice(0, 0, 8).to(at::kCPU, at::kDouble);
  const at::Tensor plain = few.contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

}  // namespace

void bench_recurrent(const Options& options) {
  const at::Device device(options.device);
  const auto model = formula_model(options.model, 76, 128);
  model->to(device);
  Batch batch = formula_stays(options.batch, 48, 76);
  for (auto& [name, tensor] : batch.inputs) tensor = tensor.to(device);
  const bool train = options.label == "train";
  model->train(train);
  at::Tensor logits;
  const auto work = [&] {
    if (train) {
      model->zero_grad();
      logits = model->forward(batch);
      logits.square().mean().backward();
    } else {
      const c10::InferenceMode inference;
      logits = model->forward(batch);
    }
    if (!device.is_cpu()) torch::cuda::synchronize();
  };
  work();
  std::vector<double> check = first_eight(logits);
  if (train) {
    for (const auto& parameter : model->parameters()) {
      check.push_back(parameter.grad().norm().item<double>());
    }
    std::sort(check.begin() + 8, check.end());
  }
  serve({{"check", check}}, static_cast<double>(options.batch), work);
}

void bench_vitals_step(const Options& options) {
  constexpr std::int64_t kVariables = 37;
  const auto network = formula_model(options.model, kVariables, 64)->step_network();
  const Batch batch = formula_stays(options.batch, 1, kVariables);
  const auto bin = [&](const char* name) { return batch.inputs.at(name).const_data_ptr<float>(); };
  const StepInput input{options.batch, bin("values"), bin("mask"), bin("delta"), nullptr};
  const auto words = static_cast<std::int64_t>((network->state_bytes() + 7) / 8);
  at::Tensor memory = at::empty({options.batch, words}, at::kDouble);
  at::Tensor logits = at::empty({options.batch, 1}, at::kFloat);
  std::vector<std::byte*> states;
  for (std::int64_t i = 0; i < options.batch; ++i) {
    states.push_back(reinterpret_cast<std::byte*>(memory[i].mutable_data_ptr<double>()));
    network->start(nullptr, states.back(), logits[i].mutable_data_ptr<float>());
  }
  const at::Tensor workspace =
      at::empty({static_cast<std::int64_t>(network->workspace_bytes(options.batch))}, at::kByte);
  const auto work = [&] {
    network->step(input, states.data(), logits.mutable_data_ptr<float>(),
                  static_cast<std::byte*>(workspace.mutable_data_ptr()));
  };
  work();
  serve({{"check", first_eight(logits)}}, static_cast<double>(options.batch), work);
}

}  // namespace salus::bench
