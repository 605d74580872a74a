// kernels/similarity on the CPU: every reader and instruction set, threads, workspace, certificate.
#include <ATen/Parallel.h>
#include <hwy/targets.h>

#include <limits>

#include "engine/io/npy.h"
#include "kernels/similarity_bound.h"
#include "kernels/similarity_scan.h"
#include "tests/kernels/similarity_cases.h"

namespace salus::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Chest X-rays of PneumoniaMNIST as rows of 784 values in [0, 1].
at::Tensor images(const std::string& name, std::int64_t count) {
  const auto arrays = io::read_npz("tests/data/pneumoniamnist/pneumoniamnist.npz");
  const io::NpyArray& array = arrays.at(name);
  at::Tensor rows = at::empty({count, 784});
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    rows.mutable_data_ptr<float>()[i] = static_cast<float>(array.at(i)) / 255;
  }
  return rows;
}

TEST(SimilarityCpuTest, NearestXRaysAreTheReferencesInEveryTypeAndMetric) {
  const at::Tensor rows = images("train_images", 900);
  const at::Tensor queries = images("test_images", 17);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kChar}) {
    for (const Metric metric : kMetrics) {
      SCOPED_TRACE(std::string(c10::toString(type)) + " " + metric_name(metric));
      const SimilarityIndex index = index_of(rows, type, metric, type != at::kFloat);
      expect_exact(similarity_topk(queries, index), queries, index, 10);
    }
  }
}

/// AMX off and one instruction set: the float32 tiles and row by row.
class SimilarityTargetTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    if ((hwy::SupportedTargets() & GetParam()) == 0) {
      GTEST_SKIP() << "this processor has no " << hwy::TargetName(GetParam());
    }
    choose(GetParam());
    amx_before_ = allow_amx(false);
  }
  void TearDown() override {
    choose(0);
    allow_amx(amx_before_);
  }
  static void choose(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().DeInit();
  }

 private:
  bool amx_before_ = true;
};

TEST_P(SimilarityTargetTest, EveryInstructionSetGivesTheReferencesBits) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kChar}) {
    for (const Metric metric : kMetrics) {
      for (const auto& [queries, dim] : {std::pair<std::int64_t, std::int64_t>{2, 131}, {18, 37}}) {
        SCOPED_TRACE(std::string(c10::toString(type)) + " " + metric_name(metric) + " " +
                     std::to_string(queries) + " queries");
        const SimilarityIndex index = index_of(normal_rows(290, dim, 1), type, metric);
        const at::Tensor values = normal_rows(queries, dim, 2);
        expect_exact(similarity_topk(values, index, {.k = 7}), values, index, 7);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, SimilarityTargetTest,
                         ::testing::Values(HWY_SSSE3, HWY_AVX2, HWY_AVX3),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

TEST(SimilarityCpuTest, MatrixUnitAndVectorsGiveTheSameBits) {
  if (!amx_available()) GTEST_SKIP() << "this processor has no AMX";
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kChar}) {
    for (const Metric metric : kMetrics) {
      const SimilarityIndex index = index_of(normal_rows(1500, 200, 3), type, metric);
      const at::Tensor queries = normal_rows(50, 200, 4);
      const SimilarityResult tiles = similarity_topk(queries, index, {.k = 20});
      allow_amx(false);
      const SimilarityResult vectors = similarity_topk(queries, index, {.k = 20});
      allow_amx(true);
      EXPECT_TRUE(same_result_bits(tiles, vectors)) << c10::toString(type) << metric_name(metric);
    }
  }
}

TEST(SimilarityCpuTest, ThreadsAndPartsDoNotChangeTheBits) {
  const SimilarityIndex index = index_of(tied_rows(5000, 12, 5), at::kBFloat16, Metric::kL2);
  const int before = at::get_num_threads();
  for (const std::int64_t count : {1, 70, 300}) {
    const at::Tensor queries = tied_rows(count, 12, 6);
    at::set_num_threads(1);
    const SimilarityResult serial = similarity_topk(queries, index, {.k = 50});
    for (const int threads : {2, 3, 7}) {
      at::set_num_threads(threads);
      EXPECT_TRUE(same_result_bits(serial, similarity_topk(queries, index, {.k = 50})))
          << threads << " threads, " << count << " queries";
    }
  }
  at::set_num_threads(before);
}

TEST(SimilarityCpuTest, MergedPartsAreTheWholeIndex) {
  const at::Tensor rows = tied_rows(1000, 9, 7), queries = tied_rows(30, 9, 8);
  const SimilarityResult whole =
      similarity_topk(queries, similarity_prepare(rows, Metric::kCosine), {.k = 25});
  std::vector<SimilarityResult> parts;
  for (const auto& [begin, end] : {std::pair{0, 10}, {10, 400}, {400, 1000}}) {
    const SimilarityIndex part = similarity_prepare(rows.slice(0, begin, end), Metric::kCosine);
    parts.push_back(similarity_topk(queries, part, {.k = 25}));
    parts.back().ids = at::where(parts.back().ids >= 0, parts.back().ids + begin, -1);
  }
  const SimilarityResult merged = similarity_merge(parts, 25);
  EXPECT_TRUE(same_result_bits(whole, merged));
  EXPECT_TRUE(merged.certain.all().item<bool>());
  // A list of 25 cannot vouch for the 26th.
  const SimilarityResult longer = similarity_merge({whole}, 26);
  EXPECT_FALSE(longer.certain.any().item<bool>());
  EXPECT_TRUE((longer.ids.select(1, 25) == -1).all().item<bool>());
}

TEST(SimilarityCpuTest, AMergedBoundCoversWhatPartsLeftOut) {
  const auto part = [](std::vector<float> scores, std::vector<std::int64_t> ids, bool certain,
                       float bound) {
    const std::int64_t k = static_cast<std::int64_t>(ids.size());
    return SimilarityResult{at::tensor(scores).view({1, k}), at::tensor(ids).view({1, k}),
                            at::full({1}, certain, at::kBool), at::full({1}, bound)};
  };
  // The second part may have lost a row of up to 5 + 2.
  const SimilarityResult open =
      similarity_merge({part({9, 6}, {0, 1}, true, 0), part({8, 5}, {2, 3}, false, 2)}, 3);
  EXPECT_TRUE(at::equal(open.ids, at::tensor({0, 2, 1}).view({1, 3})));
  EXPECT_FALSE(open.certain.item<bool>());
  EXPECT_FLOAT_EQ(open.bound.item<float>(), 1);
  const SimilarityResult closed =
      similarity_merge({part({9, 6}, {0, 1}, true, 0), part({8, 5}, {2, 3}, false, 2)}, 2);
  EXPECT_TRUE(closed.certain.item<bool>());
  EXPECT_EQ(closed.bound.item<float>(), 0);
}

TEST(SimilarityCpuTest, RowsNearTheErrorOfTheProductAreRescored) {
  // Thousands of rows between which bfloat16 cannot tell, and many that are equal.
  const at::Tensor centre = normal_rows(1, 64, 9);
  at::Tensor rows = centre + 1e-4 * normal_rows(3000, 64, 10);
  rows.slice(0, 1000, 1500).copy_(rows[7]);
  const at::Tensor queries = centre + 1e-3 * normal_rows(20, 64, 11);
  for (const at::ScalarType type : {at::kFloat, at::kChar}) {
    for (const Metric metric : kMetrics) {
      const SimilarityIndex index = index_of(rows, type, metric, type == at::kChar);
      expect_exact(similarity_topk(queries, index, {.k = 10, .overfetch = 1}), queries, index, 10);
    }
  }
}

TEST(SimilarityCpuTest, HugeAndTinyValuesKeepTheirOrder) {
  at::Tensor rows = normal_rows(600, 40, 12);
  const at::Tensor sizes = at::pow(10.0, at::linspace(-17, 16, 600)).unsqueeze(1);
  rows = (rows * sizes).to(at::kFloat);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kChar}) {
    for (const Metric metric : kMetrics) {
      for (const double size : {1e-12, 1.0, 1e15}) {
        SCOPED_TRACE(std::string(c10::toString(type)) + " " + metric_name(metric) + " " +
                     std::to_string(size));
        const SimilarityIndex index = index_of(rows, type, metric);
        const at::Tensor queries = normal_rows(18, 40, 13) * size;
        expect_exact(similarity_topk(queries, index), queries, index, 10);
      }
    }
  }
}

TEST(SimilarityCpuTest, WideRowsAndLongListsAreSearched) {
  const SimilarityIndex index =
      index_of(normal_rows(1300, 64, 14), at::kBFloat16, Metric::kInnerProduct);
  const at::Tensor queries = normal_rows(3, 64, 15);
  expect_exact(similarity_topk(queries, index, {.k = 1024}), queries, index, 1024);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kChar}) {
    const SimilarityIndex wide = index_of(normal_rows(70, 4096, 16), type, Metric::kCosine);
    for (const std::int64_t count : {1, 9}) {
      const at::Tensor far = normal_rows(count, 4096, 17);
      expect_exact(similarity_topk(far, wide, {.k = 4}), far, wide, 4);
    }
  }
}

TEST(SimilarityCpuTest, OutputsAndWorkspaceOfTheCallerAreEnough) {
  const SimilarityIndex index = index_of(normal_rows(800, 33, 18), at::kChar, Metric::kCosine);
  for (const std::int64_t count : {1, 40}) {
    const at::Tensor queries = normal_rows(count, 33, 19);
    const SimilarityOptions options{.k = 6};
    const std::int64_t bytes = similarity_workspace_bytes(count, index, options);
    // What lies behind the workspace must stay as it is.
    const at::Tensor space = at::full({bytes + 256}, 0x5a, at::kByte);
    const SimilarityResult result{at::empty({count, 6}), at::empty({count, 6}, at::kLong),
                                  at::empty({count}, at::kBool), at::empty({count})};
    similarity_topk_out(queries, index, options, {}, result, space.slice(0, 0, bytes));
    expect_exact(result, queries, index, 6);
    EXPECT_TRUE((space.slice(0, bytes) == 0x5a).all().item<bool>());
  }
}

TEST(SimilarityCpuTest, WorkspaceDoesNotGrowWithTheIndexAndLittleWithTheBatch) {
  const SimilarityOptions options{.k = 10};
  const SimilarityIndex index = index_of(at::zeros({40000, 8}), at::kChar, Metric::kInnerProduct);
  const SimilarityIndex half = index_of(at::zeros({20000, 8}), at::kChar, Metric::kInnerProduct);
  EXPECT_EQ(similarity_workspace_bytes(64, index, options),
            similarity_workspace_bytes(64, half, options));
  EXPECT_LT(similarity_workspace_bytes(1000000, index, options), 16 << 20);
}

TEST(SimilarityCpuTest, QuantizedRowsAreWithinHalfAStep) {
  at::Tensor rows = normal_rows(50, 30, 20);
  rows[4].fill_(0);
  rows[5][3] = kInf;
  const QuantizedRows quantized = similarity_quantize(rows);
  EXPECT_EQ(quantized.scales[4].item<float>(), 0);
  EXPECT_TRUE(std::isnan(quantized.scales[5].item<float>()));
  const at::Tensor back = quantized.rows.to(at::kDouble) * quantized.scales.unsqueeze(1);
  const at::Tensor step = (back - rows.to(at::kDouble)).abs() / quantized.scales.unsqueeze(1);
  for (const std::int64_t row : {0, 1, 2, 3, 6, 49}) {
    EXPECT_LE(step[row].max().item<double>(), 0.5 + 1e-4);
    EXPECT_EQ(quantized.rows[row].abs().max().item<std::int64_t>(), 127);
  }
}

TEST(SimilarityCpuTest, BlockBoundsCoverTheirRowsAndAreTight) {
  const at::Tensor rows = normal_rows(300, 50, 21);
  const SimilarityIndex index = index_of(rows, at::kBFloat16, Metric::kL2, true);
  const at::Tensor exact = rows.to(at::kDouble), stored = index.rows.to(at::kDouble);
  for (const auto& [block, begin, end] : {std::tuple{0, 0, 256}, {1, 256, 300}}) {
    const double expected[] = {
        2 * stored.slice(0, begin, end).norm(2, 1).max().item<double>(),
        2 * (exact - stored).slice(0, begin, end).norm(2, 1).max().item<double>(),
        exact.slice(0, begin, end).norm(2, 1).max().item<double>(), 2.0};
    for (int i = 0; i < 4; ++i) {
      const double bound = index.bounds[block][i].item<double>();
      EXPECT_GE(bound, expected[i]) << "block " << block << " bound " << i;
      EXPECT_LE(bound, expected[i] * 1.002) << "block " << block << " bound " << i;
    }
  }
}

TEST(SimilarityCpuTest, ErrorBoundCoversProductsOfRoundedOperands) {
  // V in float64 of bfloat16 operands against the documented score: all but the product's own
  // rounding, which h covers.
  const int dim = 96;
  const at::Tensor rows = normal_rows(256, dim, 22), queries = normal_rows(30, dim, 23);
  const at::Tensor rounded = queries.to(at::kBFloat16).to(at::kDouble);
  for (const Metric metric : kMetrics) {
    const SimilarityIndex index = similarity_prepare(rows, metric);
    const at::Tensor products = at::mm(rounded, rows.to(at::kBFloat16).to(at::kDouble).t()) *
                                index.multipliers.to(at::kDouble);
    const float* line = index.bounds.const_data_ptr<float>();
    const SimilarityBlockBounds block{line[0], line[1], line[2], line[3]};
    double used = 0;
    for (std::int64_t q = 0; q < 30; ++q) {
      const double norm = queries[q].to(at::kDouble).norm().item<double>();
      const double lost = (queries[q].to(at::kDouble) - rounded[q]).norm().item<double>();
      const double error =
          similarity_error(similarity_query_bounds(
                               static_cast<float>(norm * 1.0001), static_cast<float>(lost * 1.0001),
                               dim, metric == Metric::kCosine, metric == Metric::kL2),
                           block);
      for (std::int64_t i = 0; i < 256; ++i) {
        const double score = reference::similarity_bits(reference_metric(metric),
                                                        line_of(queries, q), line_of(rows, i));
        double stands_for = score;
        double value = products[q][i].item<double>();
        if (metric == Metric::kCosine) stands_for = score * norm;
        if (metric == Metric::kL2) {
          stands_for = score + norm * norm;
          value += index.offsets[i].item<double>();
        }
        used = std::max(used, std::abs(value - stands_for) / error);
      }
    }
    EXPECT_LE(used, 1) << metric_name(metric);
    EXPECT_GE(used, 0.02) << metric_name(metric) << ": a bound this loose re-scores too much";
  }
}

}  // namespace
}  // namespace salus::kernels
