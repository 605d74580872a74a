#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/clahe.cuh"
#include "kernels/clahe.h"
#include "tests/kernels/clahe_cases.h"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernels under the emulator, against the CPU operator, which the golden
// vectors and the reference hold.
namespace salus::kernels {
namespace {

ClahePlan plan_of(const at::Tensor& image, const ClaheSpec& spec) {
  ClahePlan plan;
  plan.bits = static_cast<int>(spec.bits);
  plan.count = image.dim() == 3 ? static_cast<int>(image.size(0)) : 1;
  plan.height = static_cast<int>(image.size(-2)), plan.width = static_cast<int>(image.size(-1));
  plan.tiles_x = static_cast<int>(spec.tiles_x), plan.tiles_y = static_cast<int>(spec.tiles_y);
  const bool divides = plan.height % plan.tiles_y == 0 && plan.width % plan.tiles_x == 0;
  plan.tile_width = plan.width / plan.tiles_x + (divides ? 0 : 1);
  plan.tile_height = plan.height / plan.tiles_y + (divides ? 0 : 1);
  plan.inverse_tile_width = 1.0F / static_cast<float>(plan.tile_width);
  plan.inverse_tile_height = 1.0F / static_cast<float>(plan.tile_height);
  if (spec.clip_limit > 0) {
    const double area = plan.tile_width * plan.tile_height;
    plan.limit = static_cast<std::uint32_t>(std::max(1.0, spec.clip_limit * area / plan.levels()));
  }
  if (spec.ignore_low <= spec.ignore_high) {
    plan.ignore_low = static_cast<std::uint32_t>(spec.ignore_low);
    plan.ignore_high = static_cast<std::uint32_t>(spec.ignore_high);
  }
  return plan;
}

struct Emulated {
  at::Tensor out;
  simt::Report table, apply;
};

template <typename T>
Emulated emulate_typed(const at::Tensor& image, const ClaheSpec& spec, std::uint64_t order,
                       int shift, bool transactions) {
  const ClahePlan plan = plan_of(image, spec);
  const auto count = static_cast<std::size_t>(image.numel());
  std::vector<T> values(count + shift);
  std::memcpy(values.data() + shift, image.const_data_ptr(), count * sizeof(T));
  const simt::Buffer<T> in("in", values);
  const simt::Buffer<T> out("out", count + shift);
  const auto stride = static_cast<std::int64_t>(clahe_image_workspace(plan) / 2);
  const simt::Buffer<std::uint16_t> tables("tables", stride * plan.count);
  const bool vectors = plan.width % kPer128<T> == 0 && shift == 0;
  const simt::Options options{.seed = order, .count_transactions = transactions};
  Emulated result;
  result.table = simt::launch(clahe_table_shape(plan), options, clahe_table_kernel<T>, plan,
                              in.data() + shift, tables.data(), stride, vectors);
  const auto apply =
      plan.bits <= kMostQuadBits ? clahe_apply_kernel<T, true> : clahe_apply_kernel<T, false>;
  result.apply =
      simt::launch(clahe_apply_shape(plan), options, apply, plan, ClaheParts::of(plan),
                   in.data() + shift, out.data() + shift, tables.data(), stride, vectors);
  result.out = at::empty_like(image);
  std::memcpy(result.out.mutable_data_ptr(), out.data() + shift, count * sizeof(T));
  return result;
}

/// clahe() by the bodies of the kernels. `shift` moves the pixels off their alignment.
Emulated emulate(const at::Tensor& image, const ClaheSpec& spec, std::uint64_t order = 1,
                 int shift = 0, bool transactions = false) {
  return image.scalar_type() == at::kByte
             ? emulate_typed<std::uint8_t>(image, spec, order, shift, transactions)
             : emulate_typed<std::uint16_t>(image, spec, order, shift, transactions);
}

ClaheSpec spec_of(int bits, double clip = 3, int tiles_x = 2, int tiles_y = 2) {
  ClaheSpec spec;
  spec.clip_limit = clip, spec.tiles_x = tiles_x, spec.tiles_y = tiles_y, spec.bits = bits;
  return spec;
}

TEST(ClaheBodyTest, EqualsTheCpuToTheBit) {
  const int sizes[][2] = {{32, 32}, {33, 31}, {1, 1}, {9, 40}, {40, 7}};
  for (const int bits : {1, 8, 12, 13}) {
    for (const auto& [height, width] : sizes) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::to_string(height) + " x " +
                   std::to_string(width));
      const at::Tensor image = picture(height, width, bits);
      const ClaheSpec spec = spec_of(bits, 2, 3, 2);
      EXPECT_TRUE(at::equal(emulate(image, spec).out, clahe(image, spec)));
    }
  }
}

TEST(ClaheBodyTest, HistogramsBeyondSharedMemoryAreCountedInWindows) {
  for (const int bits : {15, 16}) {
    for (const double clip : {0.0, 2.0}) {
      const at::Tensor image = picture(20, 24, bits);
      const ClaheSpec spec = spec_of(bits, clip, 1, 1);
      SCOPED_TRACE(std::to_string(bits) + " bits, clip " + std::to_string(clip));
      const Emulated body = emulate(image, spec);
      EXPECT_TRUE(at::equal(body.out, clahe(image, spec)));
      if (!simt::counts_accesses()) continue;
      const std::uint64_t passes = (std::uint64_t{1} << (bits - 14)) * (clip > 0 ? 2 : 1);
      EXPECT_EQ(body.table.traffic.at("in").bytes_read, passes * image.nbytes());
    }
  }
}

TEST(ClaheBodyTest, IgnoredValuesAreNotCountedAndStay) {
  ClaheSpec spec = spec_of(12);
  for (const auto& [low, high] : {std::pair(0, 1500), {3000, 3100}, {0, 4095}}) {
    spec.ignore_low = low, spec.ignore_high = high;
    const at::Tensor image = picture(24, 31, 12);
    EXPECT_TRUE(at::equal(emulate(image, spec).out, clahe(image, spec)));
  }
}

TEST(ClaheBodyTest, ValuesThatTheBitsCannotHoldCountAsTheHighest) {
  const at::Tensor image = picture(24, 32, 16);
  const ClaheSpec spec = spec_of(11);
  EXPECT_TRUE(at::equal(emulate(image, spec).out, clahe(image, spec)));
}

TEST(ClaheBodyTest, UniformAreasAreCountedByWholeWarps) {
  auto values = picture_values(32, 64, 12);
  for (std::size_t i = 0; i < values.size() / 2; ++i) values[i] = 77;
  const at::Tensor image = stored(values, {32, 64}, false);
  const ClaheSpec spec = spec_of(12, 0, 1, 1);
  const Emulated body = emulate(image, spec);
  EXPECT_TRUE(at::equal(body.out, clahe(image, spec)));
}

TEST(ClaheBodyTest, OrderOfThreadsAlignmentAndBatchDoNotChangeTheBits) {
  const at::Tensor batch = stored(picture_values(3 * 24, 32, 12), {3, 24, 32}, false);
  const ClaheSpec spec = spec_of(12);
  const at::Tensor expected = clahe(batch, spec);
  for (std::uint64_t order = 1; order < 4; ++order) {
    EXPECT_TRUE(at::equal(emulate(batch, spec, order).out, expected)) << "order " << order;
  }
  EXPECT_TRUE(at::equal(emulate(batch, spec, 1, 1).out, expected));
}

TEST(ClaheBodyTest, EachPixelIsReadTwiceAndWrittenOnceByWholeVectors) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  for (const int bits : {8, 12}) {
    const at::Tensor image = picture(64, 64, bits);
    const Emulated body = emulate(image, spec_of(bits));
    const std::uint64_t bytes = image.nbytes();
    const auto& counted = body.table.traffic.at("in");
    EXPECT_EQ(counted.bytes_read, bytes);
    EXPECT_EQ(counted.widest, 16u);
    EXPECT_EQ(body.table.traffic.at("tables").bytes_written, 4u * 2 << bits);
    EXPECT_EQ(body.apply.traffic.at("in").bytes_read, bytes);
    EXPECT_EQ(body.apply.traffic.at("in").widest, 16u);
    EXPECT_EQ(body.apply.traffic.at("out").bytes_written, bytes);
    EXPECT_EQ(body.apply.traffic.at("out").widest, 16u);
    EXPECT_EQ(body.apply.traffic.at("out").reads, 0u);
  }
}

TEST(ClaheBodyTest, ReflectedBordersReadNoMoreThanTheirPixels) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const at::Tensor image = picture(30, 30, 12);
  const Emulated body = emulate(image, spec_of(12, 3, 4, 4));
  // Four tiles of 8 x 8 each way.
  EXPECT_EQ(body.table.traffic.at("in").bytes_read, 32u * 32 * 2);
  EXPECT_EQ(body.apply.traffic.at("in").bytes_read, image.nbytes());
  EXPECT_EQ(body.apply.traffic.at("out").bytes_written, image.nbytes());
}

TEST(ClaheBodyTest, GlobalAccessesAreCoalesced) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  const at::Tensor image = picture(64, 256, 8);
  const Emulated body = emulate(image, spec_of(8, 3, 1, 1), 1, 0, true);
  for (const simt::Report* report : {&body.table, &body.apply}) {
    const auto& traffic = report->traffic.at("in");
    EXPECT_EQ(traffic.transactions, traffic.fewest_transactions);
  }
  const auto& out = body.apply.traffic.at("out");
  EXPECT_EQ(out.transactions, out.fewest_transactions);
}

}  // namespace
}  // namespace salus::kernels
