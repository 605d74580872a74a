#include "kernels/side_by_side.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <functional>

namespace salus::kernels {
namespace {

using ::testing::HasSubstr;

/// The layout by indices: what side_by_side() promises.
at::Tensor expected_strips(const at::Tensor& x, const StripLayout& layout) {
  at::Tensor out = at::zeros(
      {layout.strips(), x.size(1), x.size(2), layout.per_strip * layout.slot}, x.options());
  for (std::int64_t i = 0; i < layout.images; ++i) {
    const std::int64_t column = i % layout.per_strip * layout.slot;
    out[i / layout.per_strip].slice(2, column, column + layout.width).copy_(x[i]);
  }
  return out;
}

TEST(SideBySideTest, PutsEachImageInItsSlotAndZerosElsewhere) {
  for (const auto type : {at::kBFloat16, at::kFloat, at::kDouble}) {
    for (const StripLayout& layout : {StripLayout{1, 4, 4, 1}, StripLayout{5, 4, 5, 2},
                                      StripLayout{6, 7, 8, 3}, StripLayout{3, 1, 9, 8}}) {
      const at::Tensor x = at::randn({layout.images, 3, 6, layout.width}).to(type);
      for (const at::Tensor& in : {x, x.contiguous(at::MemoryFormat::ChannelsLast)}) {
        const at::Tensor strips = side_by_side(in, layout);
        EXPECT_TRUE(strips.is_contiguous(at::MemoryFormat::ChannelsLast));
        EXPECT_TRUE(at::equal(strips, expected_strips(x, layout)));
        EXPECT_TRUE(at::equal(take_apart(strips, layout), x));
        EXPECT_TRUE(at::equal(take_apart(strips.contiguous(), layout), x));
      }
    }
  }
}

TEST(SideBySideTest, TakingApartIgnoresTheGaps) {
  const StripLayout layout{5, 4, 6, 2};
  const at::Tensor x = at::randn({5, 3, 2, 4});
  const at::Tensor gaps = side_by_side(at::ones_like(x), layout).eq(0);
  EXPECT_TRUE(at::equal(take_apart(side_by_side(x, layout).masked_fill(gaps, 7), layout), x));
}

TEST(SideBySideTest, TakesAnEmptyBatch) {
  const StripLayout layout{0, 4, 5, 2};
  const at::Tensor strips = side_by_side(at::zeros({0, 3, 2, 4}), layout);
  EXPECT_EQ(strips.size(0), 0);
  EXPECT_EQ(take_apart(strips, layout).size(0), 0);
}

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

TEST(SideBySideTest, RefusesTensorsThatTheLayoutDoesNotFit) {
  const StripLayout layout{4, 4, 5, 2};
  const at::Tensor x = at::zeros({4, 3, 2, 4});
  for (const at::Tensor& bad : {x.slice(0, 1), x.slice(3, 1)}) {
    EXPECT_THAT(refusal([&] { side_by_side(bad, layout); }), HasSubstr("the layout is of"));
    EXPECT_THAT(refusal([&] { take_apart(bad, layout); }), HasSubstr("the layout is of"));
  }
}

TEST(SideBySideTest, RefusesOtherDimensions) {
  const at::Tensor x = at::zeros({4, 2, 4});
  EXPECT_THAT(refusal([&] { side_by_side(x, {4, 4, 5, 2}); }), HasSubstr("must have 4"));
  EXPECT_THAT(refusal([&] { take_apart(x, {4, 4, 5, 2}); }), HasSubstr("must have 4"));
}

TEST(SideBySideTest, RefusesOtherDevices) {
  const at::Tensor x = at::empty({4, 3, 2, 4}, at::device(at::kMeta));
  EXPECT_THAT(refusal([&] { side_by_side(x, {4, 4, 5, 2}); }), HasSubstr("must be on the CPU"));
}

TEST(SideBySideTest, RefusesSlotsNarrowerThanTheirImagesAndStripsOfNone) {
  const at::Tensor x = at::zeros({4, 3, 2, 4});
  EXPECT_THAT(refusal([&] { side_by_side(x, {4, 4, 3, 2}); }), HasSubstr("is not a layout"));
  EXPECT_THAT(refusal([&] { side_by_side(x, {4, 4, 4, 0}); }), HasSubstr("is not a layout"));
}

}  // namespace
}  // namespace salus::kernels
