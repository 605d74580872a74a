#include "engine/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/io/error.h"
#include "tests/support/memory_dataset.h"

namespace salus::data {
namespace {

test::MemoryDataset numbers(int count, int positives) {
  test::MemoryDataset dataset;
  for (int i = 0; i < count; ++i) dataset.add("", {i < positives ? 1.0F : 0.0F});
  return dataset;
}

std::vector<std::int64_t> range(std::int64_t count) {
  std::vector<std::int64_t> all(count);
  for (std::int64_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

TEST(SamplerTest, ShuffleIsAPermutationThatDependsOnSeedAndEpoch) {
  const auto dataset = numbers(50, 10);
  const Sampler sampler{Sampler::Kind::kShuffle, 5};
  auto first = sampler.epoch(dataset, range(50), 0);
  EXPECT_EQ(first, sampler.epoch(dataset, range(50), 0));
  EXPECT_NE(first, sampler.epoch(dataset, range(50), 1));
  EXPECT_NE(first, (Sampler{Sampler::Kind::kShuffle, 6}.epoch(dataset, range(50), 0)));
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, range(50));
}

/// Case i has i % 10 + 1 steps.
class LongAndShort : public test::MemoryDataset {
 public:
  std::int64_t steps(std::int64_t i) const override { return i % 10 + 1; }
};

TEST(SamplerTest, BucketsAreBatchesOfLikeLengthInRandomOrder) {
  LongAndShort dataset;
  for (int i = 0; i < 205; ++i) dataset.add("", {0.0F});
  const Sampler sampler{Sampler::Kind::kShuffle, 5, 20};
  const auto order = sampler.epoch(dataset, range(205), 0);
  std::vector<std::int64_t> first_steps;
  for (int batch = 0; batch < 10; ++batch) {
    std::set<std::int64_t> steps;
    for (int i = 0; i < 20; ++i) steps.insert(dataset.steps(order[batch * 20 + i]));
    EXPECT_LE(steps.size(), 2U);
    first_steps.push_back(*steps.begin());
  }
  EXPECT_FALSE(std::is_sorted(first_steps.begin(), first_steps.end()));
  auto all = order;
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, range(205));
  EXPECT_EQ(order, sampler.epoch(dataset, range(205), 0));
}

TEST(SamplerTest, SequentialKeepsTheOrder) {
  const auto dataset = numbers(5, 1);
  const Sampler sampler{Sampler::Kind::kSequential, 5};
  EXPECT_EQ(sampler.epoch(dataset, {3, 1, 2}, 9), (std::vector<std::int64_t>{3, 1, 2}));
}

TEST(SamplerTest, BalancedDrawsEachClassAsOften) {
  const auto dataset = numbers(100, 4);
  const Sampler sampler{Sampler::Kind::kBalanced, 5};
  const auto drawn = sampler.epoch(dataset, range(100), 0);
  ASSERT_EQ(drawn.size(), 100U);
  EXPECT_EQ(std::count_if(drawn.begin(), drawn.end(), [](auto i) { return i < 4; }), 50);
}

TEST(SamplerTest, OfSeveralLabelsTheFirstPositiveOneIsTheClass) {
  test::MemoryDataset dataset;
  const float unknown = std::nanf("");
  for (int i = 0; i < 60; ++i) {
    dataset.add("", i < 40   ? std::vector<float>{0, unknown, 0}
                    : i < 55 ? std::vector<float>{0, 1, 1}
                    : i < 58 ? std::vector<float>{1, 1, 1}
                             : std::vector<float>(3, unknown));
  }
  const auto drawn = Sampler{Sampler::Kind::kBalanced, 5}.epoch(dataset, range(60), 0);
  const auto count = [&](std::int64_t from, std::int64_t to) {
    return std::count_if(drawn.begin(), drawn.end(), [&](auto i) { return i >= from && i < to; });
  };
  EXPECT_EQ(count(0, 40), 20);
  EXPECT_EQ(count(40, 55), 20);
  EXPECT_EQ(count(55, 58), 20);
  EXPECT_EQ(count(58, 60), 0) << "nothing is known of them";
}

TEST(SamplerTest, WeightedDrawsByTheWeightOfTheClass) {
  const auto dataset = numbers(2000, 1000);
  Sampler sampler{Sampler::Kind::kWeighted, 5};
  sampler.weights = {1, 3};
  const auto drawn = sampler.epoch(dataset, range(2000), 0);
  ASSERT_EQ(drawn.size(), 2000U);
  const auto positive = std::count_if(drawn.begin(), drawn.end(), [](auto i) { return i < 1000; });
  EXPECT_NEAR(static_cast<double>(positive), 1500, 80);  // four deviations
  EXPECT_EQ(drawn, sampler.epoch(dataset, range(2000), 0));
  EXPECT_NE(drawn, sampler.epoch(dataset, range(2000), 1));
}

TEST(LoaderTest, DeliversEveryCaseOnceInOrder) {
  const auto dataset = numbers(10, 5);
  Loader loader(dataset, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 4, false);
  EXPECT_EQ(loader.batches(), 3);
  std::vector<std::int64_t> seen;
  Loader::Item item;
  while (loader.next(item)) {
    ASSERT_EQ(item.batch.size(), static_cast<std::int64_t>(item.positions.size()));
    for (std::size_t i = 0; i < item.positions.size(); ++i) {
      EXPECT_EQ(item.batch.inputs["x"][i][0].item<float>(), item.positions[i]);
      seen.push_back(item.positions[i]);
    }
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_FALSE(loader.next(item));
}

TEST(LoaderTest, DropsTheLastIncompleteBatchIfAsked) {
  const auto dataset = numbers(10, 5);
  Loader loader(dataset, range(10), 4, true);
  EXPECT_EQ(loader.batches(), 2);
  Loader::Item item;
  int count = 0;
  while (loader.next(item)) count += item.batch.size();
  EXPECT_EQ(count, 8);
}

TEST(LoaderTest, HandsOnWhatTheDatasetThrew) {
  struct Broken : test::MemoryDataset {
    Batch load(at::IntArrayRef indices) const override {
      if (indices[0] >= 4) throw Error("position 4 cannot be read.");
      return test::MemoryDataset::load(indices);
    }
  } dataset;
  for (int i = 0; i < 8; ++i) dataset.add("", {0.0F});
  Loader loader(dataset, range(8), 4, false);
  Loader::Item item;
  EXPECT_TRUE(loader.next(item));
  EXPECT_THROW(loader.next(item), Error);
  EXPECT_FALSE(loader.next(item));
}

TEST(LoaderTest, EndsQuietlyWhenNobodyReads) {
  const auto dataset = numbers(100, 5);
  std::int64_t batches = 0;
  {
    const Loader loader(dataset, range(100), 1, false);
    batches = loader.batches();
  }  // a thread that waits to be read must not hang here
  EXPECT_EQ(batches, 100);
}

TEST(LoaderTest, AnEmptyOrderHasNoBatches) {
  const auto dataset = numbers(1, 1);
  Loader loader(dataset, {}, 4, false);
  Loader::Item item;
  EXPECT_EQ(loader.batches(), 0);
  EXPECT_FALSE(loader.next(item));
}

}  // namespace
}  // namespace salus::data
