#include <torch/torch.h>

#include "engine/core/config.h"
#include "engine/data/dataset.h"
#include "engine/train/trainer.h"
#include "models/vitals/gru_d_function.h"
#include "tests/bench/benches.h"
#include "tests/bench/networks.h"
#include "tests/bench/step_clock.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

constexpr std::int64_t kSteps = 48, kVariables = 37, kUnits = 64, kStays = 2048;

kernels::GruDInput formula_input(std::int64_t batch) {
  const auto index = at::arange(batch * kSteps * kVariables, at::kLong);
  return {
      .values = formula({batch, kSteps, kVariables}, 0, 1),
      .mask = ((index * 7919).remainder(10) < 3).to(at::kFloat).view({batch, kSteps, kVariables}),
      .delta = (index.remainder(7).to(at::kFloat) / 4).view({batch, kSteps, kVariables}),
      .length = at::full({batch}, kSteps, at::kLong),
      .mean = at::zeros({kVariables}),
      .initial = at::zeros({batch, kUnits})};
}

kernels::GruDParameters formula_parameters() {
  return {.input_decay_weight = formula({kVariables}, 1, 0.5),
          .input_decay_bias = formula({kVariables}, 2, 0.1),
          .hidden_decay_weight = formula({kUnits, kVariables}, 3, 0.1),
          .hidden_decay_bias = formula({kUnits}, 4, 0.1),
          .weight_ih = formula({3 * kUnits, 2 * kVariables}, 5, 0.1),
          .weight_hh = formula({3 * kUnits, kUnits}, 6, 0.1),
          .bias_ih = formula({3 * kUnits}, 7, 0.1),
          .bias_hh = formula({3 * kUnits}, 8, 0.1)};
}

/// formula_input() of so many stays, every other one positive.
class FormulaStays : public data::Dataset {
 public:
  explicit FormulaStays(std::int64_t count) : stays_(formula_input(count)) {
    for (std::int64_t i = 0; i < count; ++i) {
      data::CaseInfo info;
      info.id = info.patient = std::to_string(i);
      info.target = {static_cast<float>(i % 2)};
      cases_.push_back(info);
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(cases_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return cases_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override { return i; }

  Batch load(at::IntArrayRef indices) const override {
    const at::Tensor rows = at::tensor(indices, at::kLong);
    Batch batch;
    batch.inputs["values"] = stays_.values.index_select(0, rows);
    batch.inputs["mask"] = stays_.mask.index_select(0, rows);
    batch.inputs["delta"] = stays_.delta.index_select(0, rows);
    batch.inputs["length"] = stays_.length.index_select(0, rows);
    batch.ids.resize(indices.size());
    batch.target = rows.remainder(2).to(at::kFloat).unsqueeze(1);
    return batch;
  }

 private:
  kernels::GruDInput stays_;
  std::vector<data::CaseInfo> cases_;
};

}  // namespace

void bench_train_gru_d(const Options& options) {
  torch::manual_seed(0);
  const Task task{TaskKind::kBinary, {"label"}};
  ModelSpec spec{.name = "gru_d", .modality = Modality::kVitals, .variables = kVariables};
  spec.steps = kSteps;
  spec.options["hidden"] = kUnits;
  const auto model = make_model(spec);
  auto config = Config::parse("", "benchmark");
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"train.epochs", "1000000"},
                                          {"train.batch_size", std::to_string(options.batch)},
                                          {"train.precision", "fp32"},
                                          {"train.schedule.name", "constant"}}) {
    config.override_with(key, value);
  }
  train::TrainerOptions how;
  how.device = options.device;
  how.stop = StepClock(options.steps, static_cast<double>(options.batch),
                       {{"check", {static_cast<double>(parameters_of(*model))}}});
  how.say = [](const std::string&) {};
  const FormulaStays stays(kStays);
  // All positions many times over: no validation falls into a repetition.
  std::vector<std::int64_t> order, few;
  for (std::int64_t i = 0; i < 200 * kStays; ++i) order.push_back(i % kStays);
  for (std::int64_t i = 0; i < 128; ++i) few.push_back(i);
  train::Trainer trainer(model, task, train::read_train_config(config, task, options.device), how);
  trainer.fit({&stays, std::move(order)}, {&stays, std::move(few)});
}

void bench_gru_d(const Options& options) {
  const at::Device device(options.device);
  kernels::GruDInput input = formula_input(options.batch);
  for (at::Tensor* tensor :
       {&input.values, &input.mask, &input.delta, &input.length, &input.mean, &input.initial}) {
    *tensor = tensor->to(device);
  }
  kernels::GruDParameters p = formula_parameters();
  const std::vector<at::Tensor*> parameters = {&p.input_decay_weight,
                                               &p.input_decay_bias,
                                               &p.hidden_decay_weight,
                                               &p.hidden_decay_bias,
                                               &p.weight_ih,
                                               &p.weight_hh,
                                               &p.bias_ih,
                                               &p.bias_hh};
  for (at::Tensor* parameter : parameters) *parameter = parameter->to(device).requires_grad_(true);
  const bool gpu = !device.is_cpu();
  at::Tensor loss;
  const auto work = [&] {
    for (at::Tensor* parameter : parameters) parameter->mutable_grad().reset();
    loss = models::gru_d(input, p).hidden.square().mean();
    loss.backward();
    if (gpu) torch::cuda::synchronize();
  };
  work();
  std::vector<double> check = {loss.item<double>()};
  for (const at::Tensor* parameter : parameters) {
    check.push_back(parameter->grad().norm().item<double>());
  }
  serve({{"check", check}}, static_cast<double>(options.batch), work);
}

}  // namespace salus::bench
