#include <gtest/gtest.h>

#include "engine/core/config.h"
#include "engine/io/error.h"
#include "engine/train/train_config.h"

namespace salus::train {
namespace {

const Task kTask{TaskKind::kBinary, {"finding"}};

TEST(KeepLastTest, IsReadFromTheTrainTable) {
  auto config = Config::parse("[train]\nkeep = 'last'", "test.toml");
  EXPECT_TRUE(read_train_config(config, kTask, "cpu").keep_last);
  auto silent = Config::parse("", "test.toml");
  EXPECT_FALSE(read_train_config(silent, kTask, "cpu").keep_last);
}

TEST(KeepLastTest, ExcludesEarlyStopping) {
  auto config =
      Config::parse("[train]\nkeep = 'last'\n[train.early_stopping]\npatience = 3", "test.toml");
  EXPECT_THROW(read_train_config(config, kTask, "cpu"), UsageError);
}

}  // namespace
}  // namespace salus::train
