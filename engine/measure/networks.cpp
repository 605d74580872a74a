#include "engine/measure/networks.h"

#include <torch/torch.h>

#include <chrono>

#include "engine/core/config.h"
#include "engine/core/device.h"
#include "engine/train/trainer.h"

namespace salus::measure {
namespace {

/// float32 [count, channels, height, width] with the usual range of normalised images.
at::Tensor formula_images(std::int64_t count, std::int64_t channels, std::int64_t height,
                          std::int64_t width) {
  const auto index = at::arange(count * channels * height * width, at::kDouble);
  return (index * 0.37).sin().to(at::kFloat).view({count, channels, height, width});
}

/// Images in memory, every second one positive; as Dataset demands, always the same.
class MadeUpImages : public data::Dataset {
 public:
  MadeUpImages(const ModelSpec& spec, std::int64_t count)
      : images_(formula_images(count, spec.channels, spec.height, spec.width)) {
    for (std::int64_t i = 0; i < count; ++i) {
      data::CaseInfo info;
      info.id = info.patient = std::to_string(i);
      info.target = {static_cast<float>(i % 2)};
      infos_.push_back(std::move(info));
    }
  }
  std::int64_t size() const override { return images_.size(0); }
  const data::CaseInfo& info(std::int64_t i) const override {
    return infos_.at(static_cast<std::size_t>(i));
  }
  std::uint64_t content_hash(std::int64_t i) const override {
    return static_cast<std::uint64_t>(i);
  }
  Batch load(at::IntArrayRef indices) const override {
    Batch batch;
    std::vector<float> targets;
    for (const auto i : indices) {
      batch.ids.push_back(info(i).id);
      targets.push_back(info(i).target[0]);
    }
    batch.inputs["image"] = images_.index_select(0, torch::tensor(indices));
    batch.target = torch::tensor(targets).unsqueeze(1);
    return batch;
  }

 private:
  at::Tensor images_;
  std::vector<data::CaseInfo> infos_;
};

/// Notes how long each step takes, and ends the run when it has seen enough.
class StepClock {
 public:
  StepClock(Times& times, std::int64_t steps, const at::Device& device)
      : times_(times), steps_(steps), device_(device) {}

  bool operator()(std::int64_t step) {
    if (device_.is_cuda()) torch::cuda::synchronize(device_.index());
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> took = now - last_;
    last_ = now;
    if (step > kWarmUp) times_.seconds.push_back(took.count());
    return step >= kWarmUp + steps_;
  }

 private:
  static constexpr std::int64_t kWarmUp = 2;
  Times& times_;
  std::int64_t steps_;
  at::Device device_;
  std::chrono::steady_clock::time_point last_;
};

train::TrainConfig settings_of(const TrainProblem& problem, const Task& task) {
  auto config = Config::parse("", "benchmark");
  config.override_with("train.epochs", "1");
  config.override_with("train.batch_size", std::to_string(problem.batch));
  config.override_with("train.precision", problem.precision);
  config.override_with("train.schedule.name", "constant");
  return train::read_train_config(config, task, problem.device);
}

}  // namespace

InferFigures time_inference(const infer::Session& session, const at::Device& device,
                            double seconds) {
  const auto& model = session.bundle().model;
  const auto& predictor = session.predictor();
  InferFigures figures;
  figures.micro_batch = predictor.micro_batch();
  const auto times = [&](std::int64_t count) {
    Batch batch;
    batch.inputs["image"] = formula_images(count, model.channels, model.height, model.width);
    for (std::int64_t i = 0; i < count; ++i) batch.ids.push_back(std::to_string(i));
    return time_calls([&] { predictor.predict(batch); }, device, seconds);
  };
  figures.one = times(1);
  figures.full = times(figures.micro_batch);
  return figures;
}

Times time_training(const Registry& registry, const TrainProblem& problem) {
  torch::manual_seed(0);
  const Task task{TaskKind::kBinary, {"made-up"}};
  const auto settings = settings_of(problem, task);
  auto spec = problem.model;
  spec.outputs = task.outputs();
  const auto model = registry.make(spec);
  const MadeUpImages images(spec, 4 * problem.batch);
  train::Subset all{&images, {}}, few{&images, {0, 1}};
  // One epoch that is longer than what is measured, so that no validation falls into it.
  for (std::int64_t i = 0; i < problem.batch * (problem.steps + 8); ++i) {
    all.positions.push_back(i % images.size());
  }
  Times times;
  train::TrainerOptions how;
  how.device = problem.device;
  how.stop = StepClock(times, problem.steps, open_device(problem.device));
  how.say = [](const std::string&) {};
  train::Trainer(model, task, settings, how).fit(all, few);
  return times;
}

}  // namespace salus::measure
