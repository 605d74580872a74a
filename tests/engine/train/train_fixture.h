#pragma once

// A small model and in-memory data for tests of the trainer.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <torch/torch.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine/core/config.h"
#include "engine/core/model.h"
#include "engine/data/dataset.h"
#include "engine/train/trainer.h"

namespace salus::train {

/// A folder that is removed with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "salus-train-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// conv - norm - relu - pool - dropout - fc: every kind of state that a checkpoint must hold.
class TinyModel : public Model {
 public:
  explicit TinyModel(std::int64_t outputs = 1, double dropout = 0.2)
      : conv1(torch::nn::Conv2dOptions(1, 6, 3).padding(1).bias(false)),
        bn1(6),
        drop(dropout),
        fc(6, outputs) {
    register_module("conv1", conv1);
    register_module("bn1", bn1);
    register_module("drop", drop);
    register_module("fc", fc);
  }
  at::Tensor embed(const Batch& batch) override {
    return drop(torch::relu(bn1(conv1(batch.inputs.at("image")))).mean({2, 3}));
  }
  at::Tensor classify(const at::Tensor& features) override { return fc(features); }
  std::string first_layer() const override { return "conv1"; }
  std::string head() const override { return "fc"; }

  torch::nn::Conv2d conv1;
  torch::nn::BatchNorm2d bn1;
  torch::nn::Dropout drop;
  torch::nn::Linear fc;
};

/// Images of noise; those of class 1 are brighter in the middle. Targets one-hot for L > 1.
class MemoryDataset : public data::Dataset {
 public:
  MemoryDataset(std::int64_t count, std::int64_t labels = 1, std::uint64_t seed = 1) {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    images = at::randn({count, 1, 8, 8}, generator);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto kind = i % (labels == 1 ? 2 : labels);
      images[i].slice(1, 2, 6).slice(2, 2, 6).add_(0.8 * static_cast<double>(kind));
      data::CaseInfo info;
      info.id = "case#" + std::to_string(i);
      info.patient = "p" + std::to_string(i / 2);
      info.target.assign(labels, 0.0F);
      if (labels == 1) info.target[0] = static_cast<float>(kind);
      if (labels > 1) info.target[kind] = 1;
      cases.push_back(info);
    }
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(cases.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return cases.at(i); }
  Batch load(at::IntArrayRef indices) const override {
    Batch batch;
    const auto rows = at::tensor(indices, at::kLong);
    batch.inputs["image"] = images.index_select(0, rows);
    std::vector<at::Tensor> targets;
    for (const auto i : indices) {
      batch.ids.push_back(cases[i].id);
      targets.push_back(at::tensor(at::ArrayRef<float>(cases[i].target)));
    }
    batch.target = at::stack(targets);
    return batch;
  }
  std::uint64_t content_hash(std::int64_t i) const override {
    return static_cast<std::uint64_t>(i);
  }
  Subset all() const { return range(0, size()); }
  Subset range(std::int64_t begin, std::int64_t end) const {
    Subset subset{this, {}};
    for (auto i = begin; i < end; ++i) subset.positions.push_back(i);
    return subset;
  }

  at::Tensor images;
  std::vector<data::CaseInfo> cases;
};

inline Task binary_task() { return {TaskKind::kBinary, {"bright"}}; }

inline TrainConfig parse_train(const std::string& text, const Task& task = binary_task()) {
  Config config = Config::parse(text, "train.toml");
  auto parsed = read_train_config(config, task, "cpu");
  config.reject_unknown();
  return parsed;
}

/// A recipe that uses everything with state: EMA, warm-up, accumulation, clipping, mixup.
inline const char* kFullRecipe = R"(
[train]
epochs = 4
batch_size = 8
seed = 7
precision = "fp32"
accumulate = 2
clip_norm = 1.0
mixup = 0.2
[train.optimizer]
lr = 0.01
[train.schedule]
warmup = 1
[train.ema]
decay = 0.9
[train.checkpoints]
best = 2
)";

inline TrainerOptions quiet(const std::string& out_dir = "") {
  TrainerOptions options;
  options.out_dir = out_dir;
  options.say = [](const std::string&) {};
  return options;
}

}  // namespace salus::train
