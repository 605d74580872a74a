#include "engine/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/train/state.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Run {
  FitResult result;
  std::string hash;  ///< of the weights at the end, not the best ones
};

/// Trains a fresh TinyModel on the first 50 cases of `data`, validating on the rest.
Run train(const MemoryDataset& data, const TrainConfig& config, TrainerOptions options,
          const Task& task = binary_task()) {
  torch::manual_seed(config.seed);
  auto model = std::make_shared<TinyModel>(task.outputs());
  Trainer trainer(model, task, config, std::move(options));
  auto result = trainer.fit(data.range(0, 50), data.range(50, data.size()));
  return {result, weights_hash(named_state(*model))};
}

TrainConfig recipe(const std::string& more = "") {
  return parse_train(std::string(kFullRecipe) + more);
}

TEST(TrainerTest, LearnsATaskThatCanBeLearned) {
  const MemoryDataset data(150);
  const auto config = parse_train(
      "[train]\nepochs = 15\nbatch_size = 10\nprecision = \"fp32\"\n[train.optimizer]\nlr = 0.02");
  const auto run = train(data, config, quiet());
  EXPECT_TRUE(run.result.finished);
  EXPECT_EQ(run.result.steps, 15 * 5);
  EXPECT_EQ(run.result.history.size(), 15u);
  EXPECT_GT(run.result.best_metric, 0.9);
  EXPECT_LT(find_metric(run.result.history.back().values, "train_loss"),
            find_metric(run.result.history.front().values, "train_loss"));
}

TEST(TrainerTest, SameSeedGivesTheSameWeights) {
  const MemoryDataset data(70);
  const auto first = train(data, recipe(), quiet());
  EXPECT_EQ(first.hash, train(data, recipe(), quiet()).hash);
  auto other = recipe();
  other.seed = 8;
  EXPECT_NE(first.hash, train(data, other, quiet()).hash);
}

/// 50 cases in batches of 8, two a step: 3 or 4 steps an epoch, 4 epochs.
class ResumeTest : public ::testing::TestWithParam<int> {};

TEST_P(ResumeTest, EndsWithTheBitsOfARunThatNeverStopped) {
  const MemoryDataset data(70);
  const TemporaryFolder folder, straight_folder;
  const auto straight = train(data, recipe(), quiet(straight_folder.path()));
  auto options = quiet(folder.path());
  options.stop = [](std::int64_t step) { return step == GetParam(); };
  const auto stopped = train(data, recipe(), options);
  EXPECT_FALSE(stopped.result.finished);
  EXPECT_EQ(stopped.result.steps, GetParam());

  options = quiet(folder.path());
  options.resume = true;
  torch::manual_seed(999);  // whatever the process did before must not matter
  const auto resumed = train(data, recipe(), options);
  EXPECT_TRUE(resumed.result.finished);
  EXPECT_EQ(resumed.hash, straight.hash);
  EXPECT_EQ(weights_hash(resumed.result.best_weights), weights_hash(straight.result.best_weights));
  EXPECT_EQ(resumed.result.best_epoch, straight.result.best_epoch);
  ASSERT_EQ(resumed.result.history.size(), straight.result.history.size());
  for (std::size_t i = 0; i < straight.result.history.size(); ++i) {
    for (const char* name : {"lr", "train_loss", "valid_loss"}) {
      EXPECT_EQ(find_metric(resumed.result.history[i].values, name),
                find_metric(straight.result.history[i].values, name));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AnyStep, ResumeTest, ::testing::Values(1, 3, 4, 6, 8, 13, 15));

TEST(TrainerTest, ResumesTwiceInARow) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  const auto straight = train(data, recipe(), quiet());
  for (const int stop : {2, 7}) {
    auto options = quiet(folder.path());
    options.resume = true;
    options.stop = [stop](std::int64_t step) { return step == stop; };
    train(data, recipe(), options);
  }
  auto options = quiet(folder.path());
  options.resume = true;
  EXPECT_EQ(train(data, recipe(), options).hash, straight.hash);
}

TEST(TrainerTest, ResumesWithPlateauSgdBalancedSamplerAndAugmentation) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  const auto config = parse_train(R"(
[train]
epochs = 4
batch_size = 8
sampler = "balanced"
precision = "bf16"
[train.optimizer]
name = "sgd"
lr = 0.05
[train.schedule]
name = "plateau"
patience = 0
[augment]
rotate = 20
translate = 0.1
noise = [0.0, 0.1]
)");
  const auto straight = train(data, config, quiet());
  auto options = quiet(folder.path());
  options.stop = [](std::int64_t step) { return step == 17; };
  train(data, config, options);
  options = quiet(folder.path());
  options.resume = true;
  EXPECT_EQ(train(data, config, options).hash, straight.hash);
}

TEST(TrainerTest, ResumingAFinishedRunChangesNothing) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  const auto first = train(data, recipe(), quiet(folder.path()));
  auto options = quiet(folder.path());
  options.resume = true;
  const auto again = train(data, recipe(), options);
  EXPECT_TRUE(again.result.finished);
  EXPECT_EQ(again.hash, first.hash);
  EXPECT_EQ(again.result.steps, first.result.steps);
}

TEST(TrainerTest, ResumeRefusesAnotherRunsCheckpoint) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  train(data, recipe(), quiet(folder.path()));
  auto options = quiet(folder.path());
  options.resume = true;
  auto config = recipe();
  config.batch_size = 16;
  EXPECT_THROW(train(data, config, options), Error);
}

TEST(TrainerTest, ResumeRefusesADamagedCheckpoint) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  train(data, recipe(), quiet(folder.path()));
  const auto path = folder.file("checkpoints/last.safetensors");
  auto bytes = io::read_file(path);
  bytes[bytes.size() - 5] ^= std::byte{1};
  io::write_file(path, bytes);
  auto options = quiet(folder.path());
  options.resume = true;
  EXPECT_THROW(train(data, recipe(), options), Error);
}

TEST(TrainerTest, KeepsTheBestOnesAndTheLast) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  const auto run = train(data, recipe(), quiet(folder.path()));
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("checkpoints"))) {
    files.push_back(entry.path().filename());
  }
  EXPECT_EQ(files.size(), 3u);  // two best and the last
  const auto best =
      folder.file("checkpoints/best-000" + std::to_string(run.result.best_epoch) + ".safetensors");
  EXPECT_EQ(weights_hash(load_weights(best)), weights_hash(run.result.best_weights));
}

TEST(TrainerTest, SigtermSavesAndReturns) {
  const MemoryDataset data(70);
  const TemporaryFolder folder;
  const auto straight = train(data, recipe(), quiet());
  auto options = quiet(folder.path());
  options.stop = [](std::int64_t step) {
    if (step == 5) raise(SIGTERM);
    return false;
  };
  const auto stopped = train(data, recipe(), options);
  EXPECT_FALSE(stopped.result.finished);
  EXPECT_EQ(stopped.result.steps, 5);
  options = quiet(folder.path());
  options.resume = true;
  EXPECT_EQ(train(data, recipe(), options).hash, straight.hash);
}

TEST(TrainerTest, NanLossNamesThePositionsAndSparesTheCheckpoint) {
  MemoryDataset data(70);
  const TemporaryFolder folder;
  auto config = parse_train("[train]\nepochs = 3\nbatch_size = 10\nprecision = \"fp32\"");
  auto options = quiet(folder.path());
  options.stop = [&](std::int64_t step) {
    if (step == 10) data.images[13].fill_(NAN);  // before the third epoch is loaded
    return false;
  };
  try {
    train(data, config, options);
    FAIL() << "NaN was not noticed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("NaN"), HasSubstr("epoch 3"), HasSubstr("13 (case#13), ")));
  }
  const auto saved = load_checkpoint(folder.file("checkpoints/last.safetensors"));
  EXPECT_EQ(saved.state.epoch, 2);
  for (const auto& [name, tensor] : saved.part("model.")) {
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

TEST(TrainerTest, TrainsAndResumesInEveryPrecision) {
  const MemoryDataset data(70);
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    const auto config = parse_train("[train]\nepochs = 6\nbatch_size = 10\nprecision = \"" +
                                    std::string(precision) + "\"\n[train.optimizer]\nlr = 0.02");
    const TemporaryFolder folder;
    const auto straight = train(data, config, quiet());
    EXPECT_LT(find_metric(straight.result.history.back().values, "train_loss"), 0.69) << precision;
    auto options = quiet(folder.path());
    options.stop = [](std::int64_t step) { return step == 12; };
    train(data, config, options);
    options = quiet(folder.path());
    options.resume = true;
    EXPECT_EQ(train(data, config, options).hash, straight.hash) << precision;
  }
}

TEST(TrainerTest, UnknownTargetsDoNotStopIt) {
  MemoryDataset data(70, 3);
  for (std::int64_t i = 0; i < 70; i += 3) data.cases[i].target[1] = NAN;
  const Task task{TaskKind::kMultilabel, {"a", "b", "c"}};
  const auto config = parse_train("[train]\nepochs = 2\nprecision = \"fp32\"", task);
  const auto run = train(data, config, quiet(), task);
  EXPECT_TRUE(std::isfinite(find_metric(run.result.history[1].values, "valid_loss")));
}

TEST(TrainerTest, TrainsEveryTask) {
  for (const auto kind : {TaskKind::kMulticlass, TaskKind::kRegression}) {
    const MemoryDataset data(70, kind == TaskKind::kRegression ? 1 : 3);
    const Task task{kind, kind == TaskKind::kRegression ? std::vector<std::string>{"age"}
                                                        : std::vector<std::string>{"a", "b", "c"}};
    const auto config = parse_train("[train]\nepochs = 2\nprecision = \"fp32\"", task);
    const auto run = train(data, config, quiet(), task);
    EXPECT_TRUE(run.result.finished);
    EXPECT_TRUE(std::isfinite(run.result.best_metric));
  }
}

TEST(TrainerTest, StopsEarlyWithoutImprovement) {
  const MemoryDataset data(70);
  auto config = parse_train(R"(
[train]
epochs = 50
precision = "fp32"
[train.optimizer]
lr = 0.0
[train.early_stopping]
patience = 3
min_delta = 0.5
)");
  const auto run = train(data, config, quiet());
  EXPECT_TRUE(run.result.stopped_early);
  EXPECT_TRUE(run.result.finished);
  EXPECT_EQ(run.result.history.size(), 4u);
}

TEST(TrainerTest, FastDevRunTakesOneStep) {
  const MemoryDataset data(70);
  auto options = quiet();
  options.fast_dev_run = true;
  auto config = recipe();
  const auto run = train(data, config, options);
  EXPECT_EQ(run.result.steps, 1);
  EXPECT_EQ(run.result.history.size(), 1u);
  EXPECT_TRUE(std::isfinite(find_metric(run.result.history[0].values, "valid_auroc")));
}

TEST(TrainerTest, AccumulationEqualsOneLargeBatch) {
  // Without normalisation statistics in play (the model is frozen there) the gradients add up.
  const MemoryDataset data(66);
  const std::string table = R"(
[train]
epochs = 1
precision = "fp32"
freeze = ["bn1", "drop"]
)";
  auto whole = parse_train(table + "batch_size = 16");
  whole.batch_size = 10;
  auto parts = whole;
  parts.batch_size = 5;
  parts.accumulate = 2;
  torch::manual_seed(0);
  std::vector<std::map<std::string, at::Tensor>> states;
  for (const auto& config : {whole, parts}) {
    torch::manual_seed(0);
    auto model = std::make_shared<TinyModel>(1, 0.0);
    Trainer trainer(model, binary_task(), config, quiet());
    trainer.fit(data.range(0, 48), data.range(50, 66));  // the last batch is a short one
    states.push_back(named_state(*model));
  }
  for (const auto& [name, tensor] : states[0]) {
    EXPECT_TRUE(at::allclose(tensor, states[1][name], 1e-4, 1e-5)) << name;
  }
}

TEST(TrainerTest, FrozenModulesStayAsTheyWere) {
  const MemoryDataset data(66);
  auto config = parse_train("[train]\nepochs = 2\nfreeze = [\"conv1\", \"bn1\"]");
  torch::manual_seed(0);
  auto model = std::make_shared<TinyModel>();
  const auto before = model->conv1->weight.detach().clone();
  const auto mean = model->bn1->running_mean.clone();
  const auto head = model->fc->weight.detach().clone();
  Trainer(model, binary_task(), config, quiet()).fit(data.range(0, 50), data.range(50, 66));
  EXPECT_TRUE(at::equal(model->conv1->weight, before));
  EXPECT_TRUE(at::equal(model->bn1->running_mean, mean));
  EXPECT_FALSE(at::equal(model->fc->weight, head));
}

TEST(TrainerTest, RefusesUnknownMonitorAndFreeze) {
  auto config = parse_train("[train]\nmonitor = \"auc\"");
  const auto make = [&] { Trainer(std::make_shared<TinyModel>(), binary_task(), config, quiet()); };
  EXPECT_THROW(make(), UsageError);
  config = parse_train("[train]\nfreeze = [\"layer1\"]");
  const MemoryDataset data(66);
  EXPECT_THROW(train(data, config, quiet()), UsageError);
}

/// A model that runs out of memory for more than `limit` cases at once.
class GreedyModel : public TinyModel {
 public:
  explicit GreedyModel(std::int64_t limit) : limit_(limit) {}
  at::Tensor embed(const Batch& batch) override {
    if (batch.size() > limit_) {
      C10_THROW_ERROR(OutOfMemoryError, "out of memory: tried to allocate 2 GiB");
    }
    return TinyModel::embed(batch);
  }

 private:
  std::int64_t limit_;
};

TEST(TrainerTest, OutOfMemorySaysWhatWouldFit) {
  const MemoryDataset data(66);
  auto config = parse_train("[train]\nbatch_size = 32\nprecision = \"fp32\"");
  const auto message = [&](std::int64_t limit) -> std::string {
    Trainer trainer(std::make_shared<GreedyModel>(limit), binary_task(), config, quiet());
    try {
      trainer.fit(data.range(0, 50), data.range(50, 66));
    } catch (const Error& error) {
      return error.what();
    }
    return "(nothing thrown)";
  };
  EXPECT_THAT(message(9), AllOf(HasSubstr("batch_size=8"), HasSubstr("accumulate=4")));
  EXPECT_THAT(message(0), HasSubstr("not even for a batch of one"));
}

}  // namespace
}  // namespace salus::train
