#include "models/tabular/boosting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/io/error.h"
#include "models/tabular/feature_bins.h"
#include "tests/models/model_support.h"

namespace salus::test {
namespace {

using models::BoostingData;
using models::BoostingOptions;
using models::FeatureBins;
using models::Forest;

constexpr std::int64_t kFeatures = 5;

BoostingOptions options(std::map<std::string, double> more = {}) {
  ModelSpec spec;
  spec.name = "boosted_trees";
  spec.options = {{"n_estimators", 30}, {"max_depth", 3}, {"learning_rate", 0.3}, {"max_bin", 32}};
  for (const auto& [key, value] : more) spec.options[key] = value;
  return BoostingOptions(spec);
}

/// Rows with missing numbers whose first two matter together, and that number's own absence.
at::Tensor rows(std::int64_t count, std::uint64_t seed) {
  torch::manual_seed(seed);
  const at::Tensor x = torch::randn({count, kFeatures});
  return x.masked_fill(torch::rand(x.sizes()).lt(0.15), NAN);
}

at::Tensor score_of(const at::Tensor& x) {
  const at::Tensor known = x.nan_to_num(2);
  return known.select(1, 0) * known.select(1, 1);
}

BoostingData data(const std::function<at::Tensor(const at::Tensor& score)>& target) {
  BoostingData out;
  out.train = rows(600, 1);
  out.valid = rows(200, 2);
  out.train_targets = target(score_of(out.train));
  out.valid_targets = target(score_of(out.valid));
  return out;
}

at::Tensor positive(const at::Tensor& score) { return score.gt(0).to(at::kFloat).unsqueeze(1); }

/// A fit whose best round is `best`, and what the validation rows' logits were then.
struct Fit {
  EstimatorFit fit;
  at::Tensor logits;
  std::int64_t rounds = 0;

  Fit(TaskKind kind, std::int64_t best) {
    fit.task.kind = kind;
    fit.judge = [this, best](const at::Tensor& found, const at::Tensor&) {
      if (rounds == best) logits = found.clone();
      return -std::abs(static_cast<double>(rounds - best));
    };
    fit.report = [this](std::int64_t round) {
      EXPECT_EQ(round, rounds++);
      return false;
    };
  }
};

void expect_scores_as_the_library(TaskKind kind, const BoostingData& given, std::int64_t outputs) {
  Forest forest(outputs, 30, 3);
  Fit fit(kind, 21);
  EXPECT_EQ(models::grow(*forest, options(), given, fit.fit), 21);
  EXPECT_TRUE(torch::allclose(forest->forward(given.valid), fit.logits, 1e-5, 1e-5))
      << (forest->forward(given.valid) - fit.logits).abs().max();
  EXPECT_GT(forest->leaf[0][21].abs().sum().item<double>(), 0);
  EXPECT_EQ(forest->leaf.slice(1, 22).abs().sum().item<double>(), 0);
}

TEST(BoostingTest, TheForestScoresABinaryTaskAsTheLibrary) {
  const BoostingData given = data(positive);
  expect_scores_as_the_library(TaskKind::kBinary, given, 1);
}

TEST(BoostingTest, AndLabelsThatAreNotAllKnown) {
  const BoostingData given = data([](const at::Tensor& score) {
    at::Tensor targets = at::stack({score.gt(0), score.lt(-0.5)}, 1).to(at::kFloat);
    targets.slice(0, 0, 50).select(1, 1).fill_(NAN);
    return targets;
  });
  expect_scores_as_the_library(TaskKind::kMultilabel, given, 2);
}

TEST(BoostingTest, AndClasses) {
  const BoostingData given = data([](const at::Tensor& score) {
    return at::stack({score.lt(-0.5), score.ge(-0.5).logical_and(score.lt(0.5)), score.ge(0.5)}, 1)
        .to(at::kFloat);
  });
  expect_scores_as_the_library(TaskKind::kMulticlass, given, 3);
}

TEST(BoostingTest, AndValues) {
  const BoostingData given =
      data([](const at::Tensor& score) { return (score * 3 + 20).unsqueeze(1); });
  expect_scores_as_the_library(TaskKind::kRegression, given, 1);
}

TEST(BoostingTest, LearnsWhatALineCannot) {
  const BoostingData given = data(positive);
  Forest forest(1, 30, 3);
  Fit fit(TaskKind::kBinary, 29);
  models::grow(*forest, options({{"subsample", 1}, {"colsample_bytree", 1}}), given, fit.fit);
  const at::Tensor right =
      forest->forward(given.valid).gt(0).to(at::kFloat).eq(given.valid_targets);
  EXPECT_GT(right.to(at::kFloat).mean().item<double>(), 0.85);
}

TEST(BoostingTest, StopsWhenTheBestRoundIsFarBack) {
  Forest forest(1, 30, 3);
  Fit fit(TaskKind::kBinary, 4);
  EXPECT_EQ(models::grow(*forest, options({{"early_stopping_rounds", 6}}), data(positive), fit.fit),
            4);
  EXPECT_EQ(fit.rounds, 11);
}

TEST(BoostingTest, TheSameSeedGrowsTheSameForest) {
  const auto leaves = [](std::uint64_t seed) {
    Forest forest(1, 30, 3);
    Fit fit(TaskKind::kBinary, 29);
    fit.fit.seed = seed;
    models::grow(*forest, options(), data(positive), fit.fit);
    return forest->leaf.clone();
  };
  EXPECT_TRUE(torch::equal(leaves(1), leaves(1)));
  EXPECT_FALSE(torch::equal(leaves(1), leaves(2)));
}

TEST(BoostingTest, AStopLeavesTheForestAsItWas) {
  Forest forest(1, 30, 3);
  Fit fit(TaskKind::kBinary, 4);
  fit.fit.report = [](std::int64_t round) { return round == 2; };
  EXPECT_EQ(models::grow(*forest, options(), data(positive), fit.fit), -1);
  EXPECT_EQ(forest->leaf.abs().sum().item<double>(), 0);
}

TEST(BoostingTest, NothingKnownIsAnError) {
  Forest forest(1, 30, 3);
  Fit fit(TaskKind::kBinary, 4);
  const BoostingData none =
      data([](const at::Tensor& score) { return at::full({score.size(0), 1}, NAN); });
  EXPECT_THROW(models::grow(*forest, options(), none, fit.fit), Error);
}

TEST(BoostingTest, RefusesOptionsOutOfRange) {
  for (const auto& [key, value] : std::map<std::string, double>{{"n_estimators", 0},
                                                                {"max_depth", 11},
                                                                {"max_bin", 1},
                                                                {"learning_rate", 0},
                                                                {"subsample", 1.5},
                                                                {"colsample_bytree", -1}}) {
    EXPECT_THROW(options({{key, value}}), UsageError) << key;
  }
  EXPECT_THROW(options({{"max_bin", 2.5}}), UsageError);
}

TEST(FeatureBinsTest, CutsLieMidwayBetweenNeighbours) {
  const at::Tensor few = torch::tensor({{1.F}, {NAN}, {3.F}, {1.F}, {9.F}});
  const FeatureBins bins(few, 255);
  EXPECT_THAT(bins.cuts(0), ::testing::ElementsAre(2.F, 6.F));
  const at::Tensor codes = bins.codes(torch::tensor({{-5.F}, {1.F}, {2.F}, {6.1F}, {NAN}}));
  EXPECT_TRUE(torch::equal(codes.flatten(), torch::tensor({0, 0, 1, 2, 255}, torch::kByte)));
}

TEST(FeatureBinsTest, ManyValuesAreCutAtQuantiles) {
  const at::Tensor many = torch::arange(1000, torch::kFloat).unsqueeze(1);
  const FeatureBins bins(many, 4);
  EXPECT_THAT(bins.cuts(0), ::testing::ElementsAre(249.5F, 499.5F, 749.5F));
}

TEST(FeatureBinsTest, AFeatureWithoutValuesOrWithOneHasNoCuts) {
  const FeatureBins bins(torch::tensor({{NAN, 4.F}, {NAN, 4.F}}), 8);
  EXPECT_TRUE(bins.cuts(0).empty());
  EXPECT_TRUE(bins.cuts(1).empty());
}

}  // namespace
}  // namespace salus::test
