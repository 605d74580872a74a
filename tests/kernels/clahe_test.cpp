#include "kernels/clahe.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <hwy/targets.h>

#include <limits>

#include "kernels/dispatch.h"
#include "tests/kernels/clahe_cases.h"

namespace salus::kernels {
namespace {

ClaheSpec spec_of(int bits, double clip = 3, int tiles_x = 4, int tiles_y = 3) {
  ClaheSpec spec;
  spec.clip_limit = clip, spec.tiles_x = tiles_x, spec.tiles_y = tiles_y, spec.bits = bits;
  return spec;
}

at::Tensor workspace_for(const at::Tensor& image, const ClaheSpec& spec) {
  return at::empty({clahe_workspace_bytes(image, spec)}, image.options().dtype(at::kByte));
}

class ClaheTest : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  void SetUp() override {
    if (GetParam() == at::kCUDA && !cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }
  at::Tensor placed(const at::Tensor& image) const { return image.to(GetParam()); }
};

TEST_P(ClaheTest, MatchesTheFloat64ReferenceAroundEveryTileEdge) {
  const int sizes[][2] = {{24, 32}, {23, 33}, {25, 31}, {1, 1},   {2, 90},
                          {90, 2},  {3, 4},   {12, 12}, {7, 129}, {65, 64}};
  for (const int bits : {1, 5, 8, 9, 12, 13, 16}) {
    for (const auto& [height, width] : sizes) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::to_string(height) + " x " +
                   std::to_string(width));
      const ClaheSpec spec = spec_of(bits);
      const at::Tensor out = clahe(placed(picture(height, width, bits)), spec);
      expect_within(values_of(out),
                    reference::clahe(picture_values(height, width, bits), height, width, spec));
    }
  }
}

TEST_P(ClaheTest, MatchesTheFloat64ReferenceForEveryClipAndTiling) {
  for (const double clip : {-1.0, 0.0, 0.3, 1.0, 2.5, 40.0, 1e9}) {
    for (const auto& [tiles_x, tiles_y] : {std::pair(1, 1), {1, 7}, {8, 8}, {5, 2}, {40, 30}}) {
      SCOPED_TRACE("clip " + std::to_string(clip) + ", tiles " + std::to_string(tiles_x) + " x " +
                   std::to_string(tiles_y));
      const ClaheSpec spec = spec_of(10, clip, tiles_x, tiles_y);
      expect_within(values_of(clahe(placed(picture(31, 45, 10)), spec)),
                    reference::clahe(picture_values(31, 45, 10), 31, 45, spec));
    }
  }
}

TEST_P(ClaheTest, TilesOfNarrowAndDifferentRangesMatchTheReference) {
  std::vector<int> values;
  for (int y = 0; y < 50; ++y) {
    for (int x = 0; x < 61; ++x) values.push_back(1000 * x + 37 * y + picture_value(y, x, 8));
  }
  for (const double clip : {0.0, 1.0, 200.0}) {
    for (const bool ignores : {false, true}) {
      SCOPED_TRACE("clip " + std::to_string(clip) + (ignores ? ", with ignored values" : ""));
      ClaheSpec spec = spec_of(16, clip, 5, 4);
      if (ignores) spec.ignore_low = 20000, spec.ignore_high = 33000;
      expect_within(values_of(clahe(placed(stored(values, {50, 61}, false)), spec)),
                    reference::clahe(values, 50, 61, spec));
    }
  }
}

TEST_P(ClaheTest, IgnoredValuesAreNotCountedAndStay) {
  for (const auto& [low, high] : {std::pair(0, 99), {400, 700}, {0, 1023}, {1023, 1023}}) {
    SCOPED_TRACE("[" + std::to_string(low) + ", " + std::to_string(high) + "]");
    ClaheSpec spec = spec_of(10);
    spec.ignore_low = low, spec.ignore_high = high;
    const at::Tensor image = picture(40, 37, 10);
    const auto out = values_of(clahe(placed(image), spec));
    const auto in = values_of(image);
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i] < low || in[i] > high) continue;
      ASSERT_EQ(out[i], in[i]) << i;
    }
    expect_within(out, reference::clahe(in, 40, 37, spec));
  }
}

TEST_P(ClaheTest, ValuesThatTheBitsCannotHoldCountAsTheHighest) {
  auto values = picture_values(30, 50, 12);
  for (std::size_t i = 0; i < values.size(); i += 7) values[i] = 4096 + static_cast<int>(i) * 40;
  const ClaheSpec spec = spec_of(12);
  const at::Tensor out = clahe(placed(stored(values, {30, 50}, false)), spec);
  for (int& value : values) value = std::min(value, 4095);
  EXPECT_TRUE(at::equal(out, clahe(placed(stored(values, {30, 50}, false)), spec)));
  EXPECT_EQ(values_of(out)[0], 4095);
}

TEST_P(ClaheTest, AConstantImageStaysConstant) {
  for (const int value : {0, 7, 255}) {
    const auto out = values_of(
        clahe(placed(stored(std::vector<int>(40 * 40, value), {40, 40}, true)), spec_of(8)));
    for (const int v : out) ASSERT_EQ(v, out[0]);
  }
}

TEST_P(ClaheTest, EveryShapeAndBatchGivesTheSameBits) {
  const ClaheSpec spec = spec_of(12);
  std::vector<at::Tensor> images;
  for (int i = 0; i < 5; ++i) images.push_back(placed(picture(33, 47, 12, i)));
  const at::Tensor batch = at::stack(images);
  const at::Tensor out = clahe(batch, spec);
  EXPECT_EQ(out.sizes(), batch.sizes());
  EXPECT_EQ(out.scalar_type(), at::kUInt16);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(at::equal(out[i], clahe(images[i], spec)));
  EXPECT_TRUE(at::equal(clahe(batch.unsqueeze(1), spec), out.unsqueeze(1)));
}

TEST_P(ClaheTest, NonContiguousAndMisalignedImagesGiveTheSameBits) {
  const ClaheSpec spec = spec_of(12);
  const at::Tensor image = placed(picture(32, 48, 12));
  const at::Tensor expected = clahe(image, spec);
  EXPECT_TRUE(at::equal(clahe(image.t().contiguous().t(), spec), expected));
  const at::Tensor shifted = at::cat({image.flatten(), image.flatten()}).slice(0, 32 * 48);
  const at::Tensor memory = at::empty({32 * 48 + 1}, image.options());
  const at::Tensor odd = memory.slice(0, 1).view({32, 48});
  odd.copy_(shifted.view({32, 48}));
  EXPECT_TRUE(at::equal(clahe(odd, spec), expected));
}

TEST_P(ClaheTest, WritesIntoTheCallersMemory) {
  const ClaheSpec spec = spec_of(12);
  const at::Tensor image = placed(picture(50, 60, 12));
  const at::Tensor out = at::zeros({50, 60}, image.options());
  const at::Tensor workspace = workspace_for(image, spec);
  workspace.fill_(0xa5);
  clahe_out(image, spec, out, workspace);
  EXPECT_TRUE(at::equal(out, clahe(image, spec)));
}

TEST_P(ClaheTest, ABatchThatExceedsTheWorkspaceGoesThroughInGroups) {
  // 9 x 64 tables of 128 KB are more than the 64 MB of a group.
  const ClaheSpec spec = spec_of(16, 3, 8, 8);
  const at::Tensor batch = placed(stored(picture_values(9 * 16, 16, 16), {9, 16, 16}, false));
  EXPECT_LE(clahe_workspace_bytes(batch, spec), 64 << 20);
  const at::Tensor out = clahe(batch, spec);
  for (const int i : {0, 7, 8}) EXPECT_TRUE(at::equal(out[i], clahe(batch[i], spec)));
}

TEST_P(ClaheTest, EmptyImagesGiveEmptyImages) {
  const at::Tensor none = placed(at::empty({0, 5, 5}, at::kByte));
  EXPECT_EQ(clahe(none, {}).sizes(), none.sizes());
  EXPECT_EQ(clahe_workspace_bytes(none, {}), 0);
  const at::Tensor flat = placed(at::empty({0, 5}, at::kByte));
  EXPECT_EQ(clahe(flat, {}).sizes(), flat.sizes());
}

INSTANTIATE_TEST_SUITE_P(Devices, ClaheTest, ::testing::Values(at::kCPU, at::kCUDA),
                         [](const auto& info) { return info.param == at::kCPU ? "Cpu" : "Cuda"; });

TEST(ClaheCpuTest, ThreadsDoNotChangeTheBits) {
  const ClaheSpec spec = spec_of(12);
  const at::Tensor image = picture(200, 300, 12);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = clahe(image, spec);
  at::set_num_threads(4);
  const at::Tensor four = clahe(image, spec);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, four));
}

TEST(ClaheCpuTest, EveryInstructionSetGivesTheSameBits) {
  const ClaheSpec spec = spec_of(12);
  const at::Tensor image = picture(77, 101, 12), bytes = picture(77, 101, 8);
  const at::Tensor words = picture(77, 101, 16);
  const at::Tensor best = clahe(image, spec), best_bytes = clahe(bytes, spec_of(8)),
                   best_words = clahe(words, spec_of(16));
  for (const std::int64_t target : {HWY_SSSE3, HWY_AVX2, HWY_AVX3}) {
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_TRUE(at::equal(clahe(image, spec), best)) << hwy::TargetName(target);
    EXPECT_TRUE(at::equal(clahe(bytes, spec_of(8)), best_bytes)) << hwy::TargetName(target);
    EXPECT_TRUE(at::equal(clahe(words, spec_of(16)), best_words)) << hwy::TargetName(target);
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(ClaheCpuTest, RefusesOtherImages) {
  EXPECT_THROW(clahe(at::Tensor(), {}), c10::Error);
  EXPECT_THROW(clahe(at::zeros({4, 4}), {}), c10::Error);
  EXPECT_THROW(clahe(at::zeros({4, 4}, at::kShort), {}), c10::Error);
  EXPECT_THROW(clahe(at::zeros({4}, at::kByte), {}), c10::Error);
  EXPECT_THROW(clahe(at::zeros({1, 3, 4, 4}, at::kByte), {}), c10::Error);
  EXPECT_THROW(
      clahe(at::empty({1 << 16, 1 << 16}, at::TensorOptions(at::kByte).device(at::kMeta)), {}),
      c10::Error);
}

TEST(ClaheCpuTest, RefusesAnImageAboveTheMostPixels) {
  const at::Tensor one = at::zeros({1, 1}, at::kByte);
  EXPECT_THROW(clahe(one.expand({1 << 16, 1 << 15}), {}), c10::Error);
}

TEST(ClaheCpuTest, RefusesSpecsOutsideOfTheirRanges) {
  const at::Tensor image = picture(8, 8, 8);
  const auto with = [](auto change) {
    ClaheSpec spec;
    change(spec);
    return spec;
  };
  const auto expect_refused = [&](const ClaheSpec& spec, const std::string& word) {
    try {
      clahe(image, spec);
      ADD_FAILURE() << "not refused: " << word;
    } catch (const c10::Error& error) {
      EXPECT_NE(std::string(error.what_without_backtrace()).find(word), std::string::npos)
          << error.what_without_backtrace();
    }
  };
  expect_refused(with([](auto& s) { s.tiles_x = 0; }), "tiles_x");
  expect_refused(with([](auto& s) { s.tiles_y = 1025; }), "tiles_y");
  expect_refused(with([](auto& s) { s.clip_limit = std::numeric_limits<double>::quiet_NaN(); }),
                 "clip_limit");
  expect_refused(with([](auto& s) { s.clip_limit = std::numeric_limits<double>::infinity(); }),
                 "clip_limit");
  expect_refused(with([](auto& s) { s.bits = 9; }), "bits");
  expect_refused(with([](auto& s) { s.bits = -1; }), "bits");
  expect_refused(with([](auto& s) { s.ignore_low = -1, s.ignore_high = 3; }), "ignored");
  expect_refused(with([](auto& s) { s.bits = 4, s.ignore_low = 3, s.ignore_high = 16; }),
                 "ignored");
}

TEST(ClaheCpuTest, RefusesOtherOutputsAndWorkspaces) {
  const at::Tensor image = picture(16, 16, 8);
  const at::Tensor out = at::empty_like(image), workspace = workspace_for(image, {});
  EXPECT_NO_THROW(clahe_out(image, {}, out, workspace));
  EXPECT_THROW(clahe_out(image.t(), {}, out, workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, image, workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, at::Tensor(), workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, at::empty({16, 17}, at::kByte), workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, at::empty({16, 16}, at::kUInt16), workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, out.t(), workspace), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, out, at::Tensor()), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, out, workspace.slice(0, 1)), c10::Error);
  EXPECT_THROW(clahe_out(image, {}, out, at::empty({workspace.numel()}, at::kChar)), c10::Error);
  const at::Tensor more = at::empty({workspace.numel() + 1}, at::kByte);
  EXPECT_THROW(clahe_out(image, {}, out, more.slice(0, 1)), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
