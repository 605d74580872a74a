#include "engine/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>

#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/train/state.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

using ::testing::HasSubstr;

Checkpoint sample() {
  Checkpoint checkpoint;
  checkpoint.tensors["model.w"] = at::arange(6, at::kFloat).view({2, 3});
  checkpoint.tensors["model.count"] = at::scalar_tensor(7, at::kLong);
  checkpoint.state.epoch = 3;
  checkpoint.state.batch = 5;
  checkpoint.state.schedule.reductions = 2;
  checkpoint.state.history.push_back({2, 40, {{"lr", 0.1}, {"valid_auroc", std::nan("")}}});
  checkpoint.state.best.push_back({1, 0.1 + 0.2, "best-0001.safetensors"});
  return checkpoint;
}

/// While it lives, no file may grow beyond `bytes`: writes fail as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    old_handler_ = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &old_);
    signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  sighandler_t old_handler_;
};

TEST(CheckpointTest, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const auto path = folder.file("last.safetensors");
  save_checkpoint(sample(), path);
  const Checkpoint read = load_checkpoint(path);
  EXPECT_EQ(read.state.epoch, 3);
  EXPECT_EQ(read.state.batch, 5);
  EXPECT_EQ(read.state.schedule.reductions, 2);
  EXPECT_EQ(read.state.best[0].metric, 0.1 + 0.2);
  EXPECT_EQ(read.state.history[0].values[0].second, 0.1);
  EXPECT_TRUE(std::isnan(read.state.history[0].values[1].second));
  EXPECT_TRUE(at::equal(read.part("model.").at("w"), sample().tensors.at("model.w")));
  EXPECT_EQ(read.tensors.at("model.count").item<std::int64_t>(), 7);
}

TEST(CheckpointTest, RefusesEveryDamagedByte) {
  const TemporaryFolder folder;
  const auto path = folder.file("last.safetensors");
  save_checkpoint(sample(), path);
  const auto good = io::read_file(path);
  for (std::size_t i = good.size() - 24; i < good.size(); ++i) {  // the tensors' values
    auto bad = good;
    bad[i] ^= std::byte{4};
    io::write_file(path, bad);
    try {
      load_checkpoint(path);
      FAIL() << "byte " << i << " of " << good.size();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("last.safetensors"));
    }
  }
}

TEST(CheckpointTest, RefusesATruncatedFileAndOtherFiles) {
  const TemporaryFolder folder;
  const auto path = folder.file("last.safetensors");
  save_checkpoint(sample(), path);
  auto bytes = io::read_file(path);
  bytes.resize(bytes.size() / 2);
  io::write_file(path, bytes);
  EXPECT_THROW(load_checkpoint(path), Error);
  io::write_safetensors(path, {{"w", infer::to_array(at::ones({2}), "w")}});
  EXPECT_THROW(load_checkpoint(path), Error);
  EXPECT_THROW(load_checkpoint(folder.file("none.safetensors")), Error);
}

TEST(CheckpointTest, WeightsAreNoStateOfARun) {
  const TemporaryFolder folder;
  const auto path = folder.file("best.safetensors");
  save_weights({{"w", at::ones({2})}}, path);
  EXPECT_TRUE(at::equal(load_weights(path).at("w"), at::ones({2})));
  EXPECT_EQ(io::read_weights(path).at("w").shape, std::vector<std::int64_t>{2});
  EXPECT_THROW(load_checkpoint(path), Error);
}

TEST(CheckpointTest, FullDiskLeavesTheLastGoodOne) {
  const TemporaryFolder folder;
  const auto path = folder.file("last.safetensors");
  save_checkpoint(sample(), path);
  Checkpoint bigger = sample();
  bigger.state.epoch = 4;
  bigger.tensors["model.big"] = at::zeros({100000});
  {
    const FullDisk full(50000);
    try {
      save_checkpoint(bigger, path);
      FAIL() << "the disk was not full";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("--resume"));
    }
  }
  EXPECT_EQ(load_checkpoint(path).state.epoch, 3);
  // Nothing half-written stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(StateTest, ChannelsLastWeightsKeepTheirMeaning) {
  const auto plain = at::arange(24, at::kFloat).view({2, 3, 2, 2});
  const auto last = plain.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_EQ(weights_hash({{"w", plain}}), weights_hash({{"w", last}}));
  EXPECT_NE(weights_hash({{"w", plain}}), weights_hash({{"w", plain + 1}}));
  EXPECT_NE(weights_hash({{"w", plain}}), weights_hash({{"v", plain}}));
}

}  // namespace
}  // namespace salus::train
