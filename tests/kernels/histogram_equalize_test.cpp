#include "kernels/histogram_equalize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "kernels/dispatch.h"
#include "tests/kernels/clahe_cases.h"

// Equality with OpenCV is in clahe_golden_test.cpp.
namespace salus::kernels {
namespace {

EqualizeSpec spec_of(int bits) {
  EqualizeSpec spec;
  spec.bits = bits;
  return spec;
}

class HistogramEqualizeTest : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  void SetUp() override {
    if (GetParam() == at::kCUDA && !cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
  }
  at::Tensor placed(const at::Tensor& image) const { return image.to(GetParam()); }
};

TEST_P(HistogramEqualizeTest, MatchesTheFloat64Reference) {
  const int sizes[][2] = {{1, 1}, {1, 2}, {5, 7}, {64, 64}, {61, 47}, {300, 500}};
  for (const int bits : {1, 5, 8, 9, 12, 13, 16}) {
    for (const auto& [height, width] : sizes) {
      SCOPED_TRACE(std::to_string(bits) + " bits, " + std::to_string(height) + " x " +
                   std::to_string(width));
      const at::Tensor out =
          histogram_equalize(placed(picture(height, width, bits)), spec_of(bits));
      expect_within(values_of(out), reference::histogram_equalize(
                                        picture_values(height, width, bits), spec_of(bits)));
    }
  }
}

TEST_P(HistogramEqualizeTest, LowestBecomesZeroAndHighestTheTop) {
  const auto out = values_of(
      histogram_equalize(placed(stored({500, 700, 700, 900}, {2, 2}, false)), spec_of(12)));
  EXPECT_EQ(out, (std::vector<int>{0, 2730, 2730, 4095}));
}

TEST_P(HistogramEqualizeTest, AConstantImageStays) {
  const at::Tensor image = placed(stored(std::vector<int>(64, 300), {8, 8}, false));
  EXPECT_TRUE(at::equal(histogram_equalize(image, spec_of(12)), image));
}

TEST_P(HistogramEqualizeTest, IgnoredValuesAreNotCountedAndStay) {
  for (const auto& [low, high] : {std::pair(0, 99), {400, 700}, {0, 1023}, {1023, 1023}}) {
    EqualizeSpec spec = spec_of(10);
    spec.ignore_low = low, spec.ignore_high = high;
    expect_within(values_of(histogram_equalize(placed(picture(40, 37, 10)), spec)),
                  reference::histogram_equalize(picture_values(40, 37, 10), spec));
  }
}

TEST_P(HistogramEqualizeTest, ValuesThatTheBitsCannotHoldCountAsTheHighest) {
  const auto values = picture_values(30, 50, 16);
  expect_within(values_of(histogram_equalize(placed(stored(values, {30, 50}, false)), spec_of(12))),
                reference::histogram_equalize(values, spec_of(12)));
}

TEST_P(HistogramEqualizeTest, EveryShapeAndBatchGivesTheSameBits) {
  std::vector<at::Tensor> images;
  for (int i = 0; i < 4; ++i) images.push_back(placed(picture(33, 47, 12, i)));
  const at::Tensor batch = at::stack(images);
  const at::Tensor out = histogram_equalize(batch, spec_of(12));
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(at::equal(out[i], histogram_equalize(images[i], spec_of(12))));
  }
  EXPECT_TRUE(at::equal(histogram_equalize(batch.unsqueeze(1), spec_of(12)), out.unsqueeze(1)));
  EXPECT_TRUE(
      at::equal(histogram_equalize(batch.transpose(1, 2), spec_of(12)), out.transpose(1, 2)));
}

TEST_P(HistogramEqualizeTest, WritesIntoTheCallersMemory) {
  const at::Tensor image = placed(picture(50, 60, 12));
  const at::Tensor out = at::empty_like(image);
  const at::Tensor workspace = at::empty({histogram_equalize_workspace_bytes(image, spec_of(12))},
                                         image.options().dtype(at::kByte));
  workspace.fill_(0xa5);
  histogram_equalize_out(image, spec_of(12), out, workspace);
  EXPECT_TRUE(at::equal(out, histogram_equalize(image, spec_of(12))));
}

TEST_P(HistogramEqualizeTest, EmptyImagesGiveEmptyImages) {
  const at::Tensor none = placed(at::empty({0, 5, 5}, at::kByte));
  EXPECT_EQ(histogram_equalize(none).sizes(), none.sizes());
}

INSTANTIATE_TEST_SUITE_P(Devices, HistogramEqualizeTest, ::testing::Values(at::kCPU, at::kCUDA),
                         [](const auto& info) { return info.param == at::kCPU ? "Cpu" : "Cuda"; });

TEST(HistogramEqualizeCpuTest, ThreadsDoNotChangeTheBits) {
  const at::Tensor image = picture(500, 700, 12);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = histogram_equalize(image, spec_of(12));
  at::set_num_threads(4);
  const at::Tensor four = histogram_equalize(image, spec_of(12));
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, four));
}

TEST(HistogramEqualizeCpuTest, RefusesWhatTheContractDoesNotAllow) {
  const at::Tensor image = picture(16, 16, 8);
  EXPECT_THROW(histogram_equalize(at::Tensor()), c10::Error);
  EXPECT_THROW(histogram_equalize(at::zeros({4, 4})), c10::Error);
  EXPECT_THROW(histogram_equalize(at::zeros({4}, at::kByte)), c10::Error);
  EXPECT_THROW(histogram_equalize(at::zeros({1, 3, 4, 4}, at::kByte)), c10::Error);
  EXPECT_THROW(histogram_equalize(at::zeros({1, 1}, at::kByte).expand({1 << 16, 1 << 15})),
               c10::Error);
  EXPECT_THROW(histogram_equalize(image, spec_of(9)), c10::Error);
  EqualizeSpec ignoring = spec_of(8);
  ignoring.ignore_high = 256;
  EXPECT_THROW(histogram_equalize(image, ignoring), c10::Error);
  const at::Tensor workspace =
      at::empty({histogram_equalize_workspace_bytes(image, {})}, at::kByte);
  EXPECT_NO_THROW(histogram_equalize_out(image, {}, at::empty_like(image), workspace));
  EXPECT_THROW(histogram_equalize_out(image, {}, image, workspace), c10::Error);
  EXPECT_THROW(histogram_equalize_out(image, {}, at::empty_like(image), workspace.slice(0, 16)),
               c10::Error);
}

}  // namespace
}  // namespace salus::kernels
