#include "models/tabular/forest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace salus::test {
namespace {

using models::Forest;

/// One output of two trees of depth 2 on two numbers.
///   tree 0: x0 < 1 ? (x1 < 5 ? 1 : 2) : (x0 < 3 ? 4 : 8), missing x0 right, missing x1 left
///   tree 1: x1 < -1 ? 16 : 32, missing right
Forest by_hand() {
  Forest forest(1, 2, 2);
  constexpr float kMost = std::numeric_limits<float>::max();
  forest->feature.copy_(torch::tensor({{{0, ~1, 0}, {1, 0, 0}}}, torch::kInt));
  forest->threshold.copy_(torch::tensor({{{1.F, 5.F, 3.F}, {-1.F, kMost, kMost}}}));
  forest->leaf.copy_(torch::tensor({{{1.F, 2.F, 4.F, 8.F}, {16.F, 16.F, 32.F, 32.F}}}));
  forest->base.fill_(0.5);
  return forest;
}

/// Random trees, of which some end early.
Forest random_forest(std::int64_t outputs, std::int64_t trees, std::int64_t depth,
                     std::int64_t features) {
  torch::manual_seed(depth);
  Forest forest(outputs, trees, depth);
  const auto index = torch::randint(features, forest->feature.sizes(), torch::kInt);
  forest->feature.copy_(
      torch::where(torch::rand(index.sizes()).lt(0.5), index, index.bitwise_not()));
  forest->threshold.normal_();
  forest->leaf.normal_();
  forest->base.normal_();
  return forest;
}

at::Tensor random_rows(std::int64_t rows, std::int64_t features) {
  torch::manual_seed(5);
  at::Tensor x = torch::randn({rows, features});
  return x.masked_fill(torch::rand(x.sizes()).lt(0.2), NAN);
}

TEST(ForestTest, WalksAsPencilSays) {
  const Forest forest = by_hand();
  const at::Tensor rows = torch::tensor({{0.F, 4.F},    // 1 + 32
                                         {0.F, 5.F},    // at a threshold it goes right: 2 + 32
                                         {1.F, -2.F},   // 4 + 16
                                         {9.F, -1.F},   // 8 + 32
                                         {NAN, 0.F},    // missing x0 twice right: 8 + 32
                                         {0.F, NAN}});  // 1 + 32
  const at::Tensor expected = torch::tensor({33.5F, 34.5F, 20.5F, 40.5F, 40.5F, 33.5F});
  EXPECT_TRUE(torch::equal(forest->forward(rows).squeeze(1), expected)) << forest->forward(rows);
  EXPECT_TRUE(torch::equal(forest->by_level(rows).squeeze(1), expected));
}

TEST(ForestTest, ByRowAndByLevelAgreeForEveryShape) {
  for (const std::int64_t depth : {1, 4, 7}) {
    const Forest forest = random_forest(3, 9, depth, 11);
    const at::Tensor rows = random_rows(133, 11);
    const at::Tensor found = forest->forward(rows);
    ASSERT_EQ(found.sizes(), (std::vector<std::int64_t>{133, 3}));
    EXPECT_TRUE(torch::allclose(found, forest->by_level(rows), 0, 1e-5)) << depth;
    EXPECT_TRUE(torch::equal(found.slice(0, 40, 41), forest->forward(rows.slice(0, 40, 41))));
  }
}

TEST(ForestTest, JumpsAddUpToTheDifferenceNumberByNumber) {
  const Forest forest = random_forest(2, 30, 5, 6);
  const at::Tensor to = random_rows(17, 6);
  const at::Tensor from = torch::zeros_like(to).masked_fill(to.isnan(), NAN);
  const at::Tensor jumps = forest->jumps(from, to);
  ASSERT_EQ(jumps.sizes(), (std::vector<std::int64_t>{17, 6, 2}));
  EXPECT_TRUE(torch::allclose(jumps.sum(1), forest->forward(to) - forest->forward(from), 0, 1e-4));
  EXPECT_EQ(jumps.masked_select(to.isnan().unsqueeze(2)).abs().sum().item<double>(), 0);
  EXPECT_GT(jumps.abs().sum().item<double>(), 1);
}

TEST(ForestTest, AJumpIsOfTheNumberThatCrosses) {
  const Forest forest = by_hand();
  // Way of (0, 4) to (2, 8): x1 passes 5 at a quarter, 1 -> 2; x0 passes 1 halfway, 2 -> 4.
  const at::Tensor jumps =
      forest->jumps(torch::tensor({{0.F, 4.F}}), torch::tensor({{2.F, 8.F}})).flatten();
  EXPECT_TRUE(torch::equal(jumps, torch::tensor({2.F, 1.F}))) << jumps;
}

TEST(ForestTest, RefusesNodesBeyondTheRow) {
  const Forest forest = by_hand();
  EXPECT_THROW(forest->forward(torch::zeros({2, 1})), c10::Error);
  EXPECT_THROW(forest->by_level(torch::zeros({2, 1})), c10::Error);
  EXPECT_THROW(forest->jumps(torch::zeros({2, 1}), torch::zeros({2, 1})), c10::Error);
}

TEST(ForestTest, StaysFloat32WhateverTheNetworkIsCastTo) {
  Forest forest = by_hand();
  forest->to(at::kBFloat16, false);
  forest->to(at::kCPU, at::kBFloat16, false);
  EXPECT_EQ(forest->threshold.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace salus::test
