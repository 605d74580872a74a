#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/similarity.h"

// The CUDA operator against the CPU operator: with exact = true the same bits.
namespace salus::kernels {
namespace {

class SimilarityCudaTest : public ::testing::TestWithParam<std::tuple<at::ScalarType, Metric>> {
 protected:
  void SetUp() override {
    if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
    load_cuda();
  }

  struct Stored {
    at::Tensor rows, scales;
  };
  static Stored stored(const at::Tensor& values) {
    const at::ScalarType type = std::get<0>(GetParam());
    if (type != at::kChar) return {values.to(type), {}};
    const QuantizedRows quantized = similarity_quantize(values);
    return {quantized.rows, quantized.scales};
  }
  static SimilarityIndex on(const Stored& data, at::DeviceType device) {
    const at::Tensor scales = data.scales.defined() ? data.scales.to(device) : at::Tensor();
    return similarity_prepare(data.rows.to(device), std::get<1>(GetParam()), scales);
  }

  static void expect_same(const at::Tensor& values, const at::Tensor& queries,
                          const SimilarityOptions& options, const SimilarityFilter& filter = {}) {
    const Stored data = stored(values);
    SimilarityFilter moved;
    if (filter.mask.defined()) moved.mask = filter.mask.to(at::kCUDA);
    if (filter.exclude.defined()) moved.exclude = filter.exclude.to(at::kCUDA);
    const SimilarityResult cpu = similarity_topk(queries, on(data, at::kCPU), options, filter);
    const SimilarityResult gpu =
        similarity_topk(queries.to(at::kCUDA), on(data, at::kCUDA), options, moved);
    EXPECT_TRUE(at::equal(gpu.ids.cpu(), cpu.ids));
    EXPECT_TRUE(at::equal(gpu.scores.cpu().view(at::kInt), cpu.scores.view(at::kInt)));
    EXPECT_TRUE(gpu.certain.cpu().all().item<bool>());
  }
};

TEST_P(SimilarityCudaTest, ListsAreThoseOfTheCpuToTheBit) {
  const int shapes[][4] = {{1, 1, 1, 1},        {3, 1000, 7, 5},      {64, 5000, 256, 10},
                           {70, 3000, 100, 33}, {9, 2000, 1000, 100}, {2, 3000, 4096, 3},
                           {5, 4000, 32, 1024},  // lists of 48 KB and more: k = 540 and 703
                           {3, 4000, 64, 540},  {3, 4000, 64, 703}};
  for (const auto& [queries, rows, dim, k] : shapes) {
    SCOPED_TRACE(testing::Message() << queries << " of " << rows << " x " << dim << ", k " << k);
    expect_same(at::randn({rows, dim}), at::randn({queries, dim}), {.k = k});
  }
}

TEST_P(SimilarityCudaTest, TiesNanAndFiltersAreThoseOfTheCpu) {
  at::Tensor values = at::randint(-1, 2, {3000, 6}).to(at::kFloat);
  values[17][3] = std::numeric_limits<float>::quiet_NaN();
  values[18].zero_();
  const at::Tensor queries = at::randint(-1, 2, {20, 6}).to(at::kFloat);
  SimilarityFilter filter;
  filter.mask = at::randint(std::numeric_limits<std::int64_t>::min(),
                            std::numeric_limits<std::int64_t>::max(), {20, 47}, at::kLong);
  filter.exclude = at::randint(0, 3000, {20}, at::kLong);
  expect_same(values, queries, {.k = 50}, filter);
  filter.mask = filter.mask[0].contiguous();
  expect_same(values, queries, {.k = 50, .overfetch = 1}, filter);
}

TEST_P(SimilarityCudaTest, AnIndexPreparedOnTheCpuMayMove) {
  const Stored data = stored(at::randn({2000, 64}));
  const SimilarityIndex here = on(data, at::kCPU);
  const SimilarityIndex there = on(data, at::kCUDA);
  EXPECT_TRUE(at::equal(there.norms.cpu().view(at::kInt), here.norms.view(at::kInt)));
  EXPECT_TRUE(at::equal(there.multipliers.cpu().view(at::kInt), here.multipliers.view(at::kInt)));
  SimilarityIndex moved = here;
  moved.rows = here.rows.to(at::kCUDA);
  for (at::Tensor* part :
       {&moved.scales, &moved.norms, &moved.multipliers, &moved.offsets, &moved.bounds}) {
    if (part->defined()) *part = part->to(at::kCUDA);
  }
  const at::Tensor queries = at::randn({5, 64});
  const SimilarityResult expected = similarity_topk(queries, here);
  EXPECT_TRUE(at::equal(similarity_topk(queries.to(at::kCUDA), moved).ids.cpu(), expected.ids));
}

TEST_P(SimilarityCudaTest, TheHopperVariantFindsTheSame) {
  const at::ScalarType type = std::get<0>(GetParam());
  if (type != at::kHalf && type != at::kBFloat16) GTEST_SKIP() << "it takes 16-bit rows only";
  ::setenv("SALUS_WGMMA", "1", 1);  // devices but sm_90a go the usual way
  for (const auto& [queries, rows, dim, k] :
       {std::array{64, 5000, 256, 10}, std::array{200, 20000, 128, 100}}) {
    expect_same(at::randn({rows, dim}), at::randn({queries, dim}), {.k = k});
  }
  ::unsetenv("SALUS_WGMMA");
}

INSTANTIATE_TEST_SUITE_P(
    Devices, SimilarityCudaTest,
    ::testing::Combine(::testing::Values(at::kFloat, at::kHalf, at::kBFloat16, at::kChar),
                       ::testing::Values(Metric::kInnerProduct, Metric::kCosine, Metric::kL2)));

}  // namespace
}  // namespace salus::kernels
