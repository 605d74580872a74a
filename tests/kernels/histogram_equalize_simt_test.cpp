#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/histogram_equalize.cuh"
#include "kernels/histogram_equalize.h"
#include "tests/kernels/clahe_cases.h"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernels under the emulator, against the CPU operator, which the golden
// vectors and the reference hold.
namespace salus::kernels {
namespace {

struct Emulated {
  at::Tensor out;
  simt::Report count, apply;
};

template <typename T>
Emulated emulate_typed(const at::Tensor& image, const EqualizePlan& plan, int stretch,
                       std::uint64_t order, int shift) {
  const auto count = static_cast<std::size_t>(image.numel());
  std::vector<T> values(count + shift);
  std::memcpy(values.data() + shift, image.const_data_ptr(), count * sizeof(T));
  const simt::Buffer<T> in("in", values);
  const simt::Buffer<T> out("out", count + shift);
  const auto bins = static_cast<std::size_t>(plan.count) * static_cast<std::size_t>(plan.levels());
  const simt::Buffer<unsigned> counts("counts", std::vector<unsigned>(bins));
  const simt::Buffer<std::uint16_t> tables("tables", bins);
  const bool vectors = plan.pixels % kPer128<T> == 0 && shift == 0;
  const auto blocks = static_cast<unsigned>((plan.pixels + stretch - 1) / stretch);
  LaunchShape counting = equalize_count_shape(plan), applying = equalize_apply_shape(plan);
  counting.grid.x = applying.grid.x = blocks;
  Emulated result;
  result.count = simt::launch(counting, {.seed = order}, equalize_count_kernel<T>, plan, stretch,
                              in.data() + shift, counts.data(), vectors);
  simt::launch(equalize_table_shape(plan), {.seed = order}, equalize_table_kernel, plan,
               counts.data(), tables.data());
  const auto apply = plan.bits <= kMostTableBits ? equalize_apply_kernel<T, true>
                                                 : equalize_apply_kernel<T, false>;
  result.apply = simt::launch(applying, {.seed = order}, apply, plan, stretch, in.data() + shift,
                              out.data() + shift, tables.data(), vectors);
  result.out = at::empty_like(image);
  std::memcpy(result.out.mutable_data_ptr(), out.data() + shift, count * sizeof(T));
  return result;
}

/// histogram_equalize() by the bodies of the kernels, in blocks of `stretch` pixels.
Emulated emulate(const at::Tensor& image, const EqualizeSpec& spec, int stretch = 512,
                 std::uint64_t order = 1, int shift = 0) {
  EqualizePlan plan;
  plan.bits = static_cast<int>(spec.bits);
  plan.count = image.dim() == 3 ? static_cast<int>(image.size(0)) : 1;
  plan.pixels = static_cast<int>(image.numel()) / plan.count;
  if (spec.ignore_low <= spec.ignore_high) {
    plan.ignore_low = static_cast<std::uint32_t>(spec.ignore_low);
    plan.ignore_high = static_cast<std::uint32_t>(spec.ignore_high);
  }
  return image.scalar_type() == at::kByte
             ? emulate_typed<std::uint8_t>(image, plan, stretch, order, shift)
             : emulate_typed<std::uint16_t>(image, plan, stretch, order, shift);
}

EqualizeSpec spec_of(int bits) {
  EqualizeSpec spec;
  spec.bits = bits;
  return spec;
}

TEST(HistogramEqualizeBodyTest, EqualsTheCpuToTheBit) {
  for (const int bits : {1, 8, 12, 14, 15}) {
    for (const auto& [height, width] : {std::pair(32, 48), {31, 33}, {1, 1}}) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::to_string(height) + " x " +
                   std::to_string(width));
      const at::Tensor image = picture(height, width, bits);
      EXPECT_TRUE(
          at::equal(emulate(image, spec_of(bits)).out, histogram_equalize(image, spec_of(bits))));
    }
  }
}

TEST(HistogramEqualizeBodyTest, SixteenBitsAreCountedInFourWindows) {
  const at::Tensor image = picture(16, 24, 16);
  const Emulated body = emulate(image, spec_of(16));
  EXPECT_TRUE(at::equal(body.out, histogram_equalize(image, spec_of(16))));
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  EXPECT_EQ(body.count.traffic.at("in").bytes_read, 4 * image.nbytes());
}

TEST(HistogramEqualizeBodyTest, IgnoredSaturatedAndConstantValues) {
  EqualizeSpec spec = spec_of(11);
  const at::Tensor image = picture(24, 32, 16);
  EXPECT_TRUE(at::equal(emulate(image, spec).out, histogram_equalize(image, spec)));
  spec.ignore_low = 100, spec.ignore_high = 900;
  EXPECT_TRUE(at::equal(emulate(image, spec).out, histogram_equalize(image, spec)));
  const at::Tensor constant = stored(std::vector<int>(300, 9), {10, 30}, true);
  EXPECT_TRUE(at::equal(emulate(constant, spec_of(8)).out, constant));
}

TEST(HistogramEqualizeBodyTest, OrderAlignmentAndBatchDoNotChangeTheBits) {
  const at::Tensor batch = stored(picture_values(3 * 24, 32, 12), {3, 24, 32}, false);
  const at::Tensor expected = histogram_equalize(batch, spec_of(12));
  for (std::uint64_t order = 1; order < 4; ++order) {
    EXPECT_TRUE(at::equal(emulate(batch, spec_of(12), 512, order).out, expected));
  }
  EXPECT_TRUE(at::equal(emulate(batch, spec_of(12), 512, 1, 1).out, expected));
}

TEST(HistogramEqualizeBodyTest, EachPixelIsReadTwiceAndWrittenOnceByWholeVectors) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const at::Tensor image = picture(64, 64, 12);
  const Emulated body = emulate(image, spec_of(12), 2048);
  const std::uint64_t bytes = image.nbytes();
  EXPECT_EQ(body.count.traffic.at("in").bytes_read, bytes);
  EXPECT_EQ(body.count.traffic.at("in").widest, 16u);
  EXPECT_EQ(body.apply.traffic.at("in").bytes_read, bytes);
  EXPECT_EQ(body.apply.traffic.at("out").bytes_written, bytes);
  EXPECT_EQ(body.apply.traffic.at("out").widest, 16u);
}

}  // namespace
}  // namespace salus::kernels
