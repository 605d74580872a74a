#include "engine/evaluate/intervals.h"

#include <gmock/gmock.h>

#include <random>

#include "engine/evaluate/bootstrap.h"
#include "engine/evaluate/compare.h"
#include "engine/evaluate/metrics.h"
#include "engine/io/error.h"
#include "tests/engine/evaluate/golden.h"

namespace salus::evaluate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::load_golden;

/// The three tests of DeLong's paper; a low K-G score is good, so it is turned round.
struct Delong1988 {
  std::vector<double> albumin, protein, kg, outcome;

  Delong1988() {
    std::ifstream file("tests/data/metrics/delong1988.csv");
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      double a, t, k, y;
      if (std::sscanf(line.c_str(), "%lf,%lf,%lf,%lf", &a, &t, &k, &y) != 4) break;
      albumin.push_back(a);
      protein.push_back(t);
      kg.push_back(10 - k);
      outcome.push_back(y);
    }
  }
};

TEST(IntervalsTest, DelongGivesThePublishedAreasAndErrors) {
  const Delong1988 data;
  ASSERT_EQ(data.outcome.size(), 43u);
  const auto check = [&](const std::vector<double>& scores, double area, double error) {
    const Delong d = delong(scores, data.outcome);
    EXPECT_NEAR(d.auroc, area, 5e-5);
    EXPECT_NEAR(std::sqrt(d.variance()), error, 5e-5);
    EXPECT_NEAR(d.auroc, auroc(scores, data.outcome), 1e-12);
  };
  // SAS/STAT User's Guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves".
  check(data.albumin, 0.7366, 0.0927);
  check(data.protein, 0.6478, 0.1000);
  check(data.kg, 0.7258, 0.1028);
  const Interval interval = delong_interval(delong(data.albumin, data.outcome));
  EXPECT_NEAR(interval.low, 0.5549, 5e-5);
  EXPECT_NEAR(interval.high, 0.9182, 5e-5);
}

TEST(IntervalsTest, DelongsPairedTestGivesThePublishedContrasts) {
  const Delong1988 data;
  const Comparison albumin = compare_delong(data.kg, data.albumin, data.outcome);
  EXPECT_NEAR(albumin.difference, 0.0108, 5e-5);
  EXPECT_NEAR(albumin.interval->low, -0.1761, 5e-5);
  EXPECT_NEAR(albumin.interval->high, 0.1976, 5e-5);
  EXPECT_NEAR(albumin.p_value, 0.9102, 5e-5);
  const Comparison protein = compare_delong(data.kg, data.protein, data.outcome);
  EXPECT_NEAR(protein.difference, -0.0780, 5e-5);
  EXPECT_NEAR(protein.p_value, 0.4561, 5e-5);
}

TEST(IntervalsTest, DelongEqualsItsDefinitionUnderTies) {
  const std::vector<double> scores = {3, 1, 2, 2, 3, 5, 2, 1}, y = {1, 0, 1, 0, 0, 1, 1, 0};
  const Delong d = delong(scores, y);
  std::size_t k = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] != 1) continue;
    double below = 0;
    for (std::size_t j = 0; j < y.size(); ++j) {
      if (y[j] == 0) below += scores[j] < scores[i] ? 1 : scores[j] == scores[i] ? 0.5 : 0;
    }
    EXPECT_DOUBLE_EQ(d.positive[k++], below / 4);
  }
}

TEST(IntervalsTest, DelongRejectsAnAbsentClass) {
  EXPECT_THAT(error_of([] { delong({1, 2}, {1, 1}); }), HasSubstr("both classes"));
}

TEST(IntervalsTest, WilsonEqualsStatsmodels) {
  const auto golden = load_golden("intervals")["wilson"];
  ASSERT_EQ(golden.size(), 5u);
  for (const auto& g : golden) {
    const Interval w = wilson_interval(g["successes"], g["n"], g["level"]);
    EXPECT_NEAR(w.low, g["interval"][0].get<double>(), 1e-9);
    EXPECT_NEAR(w.high, g["interval"][1].get<double>(), 1e-9);
  }
}

TEST(IntervalsTest, NormalQuantileEqualsScipy) {
  const auto golden = load_golden("intervals")["normal_quantile"];
  ASSERT_EQ(golden.size(), 5u);
  for (const auto& g : golden) {
    EXPECT_NEAR(normal_quantile(g["p"]), g["z"].get<double>(), 1e-9);
  }
}

TEST(IntervalsTest, APerfectAurocIsNotCertain) {
  const Interval small = newcombe_interval(1, 10, 10), large = newcombe_interval(1, 1000, 1000);
  EXPECT_EQ(small.high, 1);
  EXPECT_LT(small.low, 0.9);
  EXPECT_GT(small.low, 0.7);
  EXPECT_GT(large.low, 0.99);
  const Interval zero = newcombe_interval(0, 10, 10);
  EXPECT_EQ(zero.low, 0);
  EXPECT_NEAR(zero.high, 1 - small.low, 1e-9);
  EXPECT_EQ(delong_interval(delong({1, 2, 3, 4}, {0, 0, 1, 1})).method, "newcombe");
}

TEST(IntervalsTest, NewcombeBoundsSolveTheirEquation) {
  const double z = normal_quantile(0.975), estimate = 0.8, m = 20, n = 30;
  const Interval interval = newcombe_interval(estimate, m, n);
  for (const double a : {interval.low, interval.high}) {
    const double spread =
        a * (1 - a) * (1 + ((m + n) / 2 - 1) * ((1 - a) / (2 - a) + a / (1 + a))) / (m * n);
    EXPECT_NEAR(std::abs(a - estimate), z * std::sqrt(spread), 1e-9);
  }
}

TEST(IntervalsTest, PercentilesAreNumPysAndNanReplicatesAreLeftOut) {
  const double nan = std::nan("");
  const Interval interval = percentile_interval({4, nan, 1, 3, 2, 5, nan}, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 2);
  EXPECT_DOUBLE_EQ(interval.high, 4);
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4}, 0.75), 3);
  EXPECT_TRUE(std::isnan(percentile_interval({nan, nan, 1}).low));
  EXPECT_TRUE(std::isnan(percentile_interval({}).low));
}

TEST(BootstrapTest, PatientsComeAndGoWhole) {
  const std::vector<std::string> names = {"a", "b", "a", "c", "b", "b"};
  const PatientBootstrap patients(patient_numbers(names, 6), {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(patients.patients(), 3u);
  std::vector<double> w(6);
  bool varied = false;
  for (std::uint32_t r = 0; r < 50; ++r) {
    patients.draw(1, r, w);
    EXPECT_EQ(w[0], w[2]);
    EXPECT_EQ(w[1], w[4]);
    EXPECT_EQ(w[1], w[5]);
    EXPECT_EQ(w[0] + w[1] + w[3], 3);
    varied = varied || w[0] != 1;
  }
  EXPECT_TRUE(varied);
}

TEST(BootstrapTest, EveryStratumKeepsItsNumberOfPatients) {
  std::vector<int> strata;
  for (int i = 0; i < 100; ++i) strata.push_back(i < 7);
  const PatientBootstrap patients(patient_numbers({}, 100), strata);
  std::vector<double> w(100);
  for (std::uint32_t r = 0; r < 20; ++r) {
    patients.draw(9, r, w);
    double rare = 0, all = 0;
    for (int i = 0; i < 100; ++i) (i < 7 ? rare : all) += w[i];
    EXPECT_EQ(rare, 7);
    EXPECT_EQ(all, 93);
  }
}

TEST(BootstrapTest, DrawsArePoissonLikeAndUniform) {
  const std::size_t n = 1000;
  const PatientBootstrap patients(patient_numbers({}, n), std::vector<int>(n, 0));
  std::vector<double> w(n), sum(n, 0);
  double zeros = 0;
  for (std::uint32_t r = 0; r < 400; ++r) {
    patients.draw(3, r, w);
    for (std::size_t i = 0; i < n; ++i) {
      sum[i] += w[i];
      zeros += w[i] == 0;
    }
  }
  EXPECT_NEAR(zeros / (400.0 * n), std::exp(-1.0), 0.005);
  for (const double s : sum) EXPECT_NEAR(s / 400, 1, 0.3);
}

TEST(BootstrapTest, ReplicatesDoNotDependOnTheNumberOfThreads) {
  const PatientBootstrap patients(patient_numbers({}, 50), std::vector<int>(50, 0));
  const Statistic first_ten = [](std::span<const double> w, std::span<double> out) {
    out[0] = 0;
    for (int i = 0; i < 10; ++i) out[0] += w[i];
  };
  ResamplingOptions options{200, 42, 1};
  const auto serial = bootstrap(patients, 1, first_ten, options);
  options.threads = 4;
  EXPECT_EQ(serial, bootstrap(patients, 1, first_ten, options));
  options.seed = 43;
  EXPECT_NE(serial, bootstrap(patients, 1, first_ten, options));
}

TEST(BootstrapTest, UnnamedPatientsAreTheirOwn) {
  EXPECT_EQ(patient_numbers({"x", "", "x", ""}, 4), (std::vector<std::uint32_t>{0, 1, 0, 2}));
}

TEST(BootstrapTest, RejectsUnequalLengthsAndNoCases) {
  EXPECT_THROW(patient_numbers({"a"}, 2), Error);
  EXPECT_THROW(PatientBootstrap({}, {}), Error);
  EXPECT_THROW(PatientBootstrap({0, 1}, {0}), Error);
}

TEST(BootstrapTest, PassesOnWhatAReplicateThrows) {
  const PatientBootstrap patients(patient_numbers({}, 3), {0, 0, 0});
  EXPECT_THROW(
      bootstrap(patients, 1, [](std::span<const double>, std::span<double>) { throw Error("no"); },
                {10, 0, 2}),
      Error);
}

/// Of 200 samples from a known model, about 95 % of the intervals must hold its true AUROC.
TEST(BootstrapTest, IntervalsCoverTheTruthAboutAsOftenAsTheySay) {
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const double truth = std::erfc(-1.0 / 2) / 2;  // two normals one deviation apart
  int by_bootstrap = 0, by_delong = 0, samples = 200;
  for (int s = 0; s < samples; ++s) {
    std::vector<double> scores, y;
    for (int i = 0; i < 120; ++i) {
      y.push_back(i % 3 == 0);
      scores.push_back(1 / (1 + std::exp(-(normal(random) + y.back()))));
    }
    const BinaryEvaluator evaluator(sort_cases(scores, y), 0.5, kRanking);
    const auto replicates = bootstrap(
        PatientBootstrap(patient_numbers({}, 120), std::vector<int>(y.begin(), y.end())), 1,
        [&](std::span<const double> w, std::span<double> out) { out[0] = evaluator(w).auroc; },
        {400, static_cast<std::uint64_t>(s), 1});
    const Interval boot = percentile_interval(replicates[0]);
    const Interval wald = delong_interval(delong(scores, y));
    by_bootstrap += boot.low <= truth && truth <= boot.high;
    by_delong += wald.low <= truth && truth <= wald.high;
  }
  EXPECT_GE(by_bootstrap, 178) << "seed " << seed;  // 3 binomial deviations below 95 % of 200
  EXPECT_GE(by_delong, 178) << "seed " << seed;
  EXPECT_LT(by_bootstrap, 200) << "intervals that never miss are too wide";
}

}  // namespace
}  // namespace salus::evaluate
