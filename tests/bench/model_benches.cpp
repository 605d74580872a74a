#include <torch/torch.h>

#include <algorithm>

#include "engine/core/config.h"
#include "engine/data/image_dataset.h"
#include "engine/infer/model_predictor.h"
#include "engine/infer/weights.h"
#include "engine/train/trainer.h"
#include "tests/bench/benches.h"
#include "tests/bench/networks.h"
#include "tests/bench/step_clock.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

/// float32 [batch, 3, 224, 224], the same values as in peers/models.py.
at::Tensor formula_images(std::int64_t batch) {
  const auto index = at::arange(batch * 3 * 224 * 224, at::kDouble);
  return (index * 0.37).sin().to(at::kFloat).view({batch, 3, 224, 224});
}

}  // namespace

void bench_train(const Options& options) {
  torch::manual_seed(0);
  const Task task{TaskKind::kBinary, {"pneumonia"}};
  auto config = Config::parse("", "benchmark");
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"data.npz", options.files.at(0)},
           {"train.epochs", "1000000"},
           {"train.batch_size", std::to_string(options.batch)},
           {"train.drop_last", "true"},
           {"train.precision", options.dtype == "float32" ? "fp32" : "bf16"},
           {"train.schedule.name", "constant"}}) {
    config.override_with(key, value);
  }
  const auto transform = std::make_shared<data::Transform>(
      Config::parse("size = [28, 28]\nmean = [0.5]\nstd = [0.5]", "transform"));
  const auto read = [&](const char* part) {
    auto cases = data::read_cases(config.table("data"), task);
    std::erase_if(cases, [&](const auto& item) { return item.info.part != part; });
    auto dataset =
        std::make_unique<data::ImageDataset>(std::move(cases), transform, task, options.threads);
    dataset->cache();
    return dataset;
  };
  const auto train = read("train"), valid = read("valid");
  const auto positions = [](const data::Dataset& dataset, std::int64_t count) {
    std::vector<std::int64_t> all(std::min(dataset.size(), count));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    return all;
  };
  const auto model = make_model({options.model, 1, 28, 28, 1, {{"small", 1}}});
  train::TrainerOptions how;
  how.device = options.device;
  how.stop = StepClock(options.steps, static_cast<double>(options.batch),
                       {{"check", {static_cast<double>(parameters_of(*model))}}});
  how.say = [](const std::string&) {};
  const auto settings = train::read_train_config(config, task, options.device);
  train::Trainer trainer(model, task, settings, how);
  // All of one epoch's positions many times over: no validation falls into a repetition.
  auto order = positions(*train, train->size());
  const auto once = order;
  for (int i = 0; i < 200; ++i) order.insert(order.end(), once.begin(), once.end());
  trainer.fit({train.get(), std::move(order)}, {valid.get(), positions(*valid, 128)});
}

void bench_infer(const Options& options) {
  const auto model = make_model({options.model, 3, 224, 224, 1000, {}});
  infer::load_weights(*model, options.weights);
  const infer::ModelPredictor predictor(model, options.batch, options.dtype, options.device,
                                        /*prepare=*/true);
  Batch batch;
  batch.inputs["image"] = formula_images(options.batch);
  for (std::int64_t i = 0; i < options.batch; ++i) batch.ids.push_back(std::to_string(i));
  const auto logits = predictor.predict(batch)[0].slice(0, 0, 8).to(at::kDouble).contiguous();
  const std::vector<double> check(logits.const_data_ptr<double>(),
                                  logits.const_data_ptr<double>() + logits.numel());
  serve({{"check", check}}, static_cast<double>(options.batch), [&] { predictor.predict(batch); });
}

}  // namespace salus::bench
