#include "engine/io/frame_steps.h"

#include "tests/support/files.h"

namespace salus::io {
namespace {

/// Frames at these heights (mm) along the normal of a plane that is turned out of the axes.
Image placed(const std::vector<double>& heights) {
  Image image;
  image.pixels.frames = static_cast<std::int64_t>(heights.size());
  for (const double height : heights) {
    Geometry place;
    place.row_cosine = {0.6, 0.8, 0};
    place.column_cosine = {0, 0, -1};
    place.origin = {10 - 0.8 * height, 20 + 0.6 * height, 30};
    image.geometry.emplace_back(place);
  }
  return image;
}

TEST(FrameStepsTest, AreTakenAlongTheNormalInAnyOrder) {
  const auto steps = frame_steps(placed({5, 0, 10, 2.5, 7.5}));
  ASSERT_TRUE(steps);
  EXPECT_NEAR(steps->usual, 2.5, 1e-9);
  EXPECT_NEAR(steps->least, 2.5, 1e-9);
  EXPECT_NEAR(steps->most, 2.5, 1e-9);
  EXPECT_TRUE(steps->even());
}

TEST(FrameStepsTest, FramesOfSeveralTimesCountOnce) {
  const auto steps = frame_steps(placed({0, 3, 6, 0, 3, 6}));
  ASSERT_TRUE(steps);
  EXPECT_NEAR(steps->usual, 3, 1e-9);
  EXPECT_TRUE(steps->even());
}

TEST(FrameStepsTest, AGapIsUneven) {
  const auto steps = frame_steps(placed({0, 1, 2, 5}));
  ASSERT_TRUE(steps);
  EXPECT_NEAR(steps->usual, 1, 1e-9);
  EXPECT_NEAR(steps->least, 1, 1e-9);
  EXPECT_NEAR(steps->most, 3, 1e-9);
  EXPECT_FALSE(steps->even());
}

TEST(FrameStepsTest, RoundedPositionsAreEvenAndSmallStepsAreNotExcused) {
  EXPECT_TRUE(frame_steps(placed({0, 0.33, 0.67, 1}))->even());
  EXPECT_TRUE(frame_steps(placed({0, 10, 20.05}))->even());
  EXPECT_FALSE(frame_steps(placed({0, 10, 20.2}))->even());
  EXPECT_TRUE(frame_steps(placed({0, 0.005, 0.01}))->even());
  EXPECT_FALSE(frame_steps(placed({0, 0.005, 0.015}))->even());
}

TEST(FrameStepsTest, AreAbsentWhereTheFileDoesNotSayThem) {
  EXPECT_FALSE(frame_steps(Image{}));
  EXPECT_FALSE(frame_steps(placed({4})));
  EXPECT_FALSE(frame_steps(placed({4, 4, 4})));
  Image unplaced = placed({0, 1, 2});
  unplaced.geometry[2].reset();
  EXPECT_FALSE(frame_steps(unplaced));
  unplaced.geometry[0].reset();
  EXPECT_FALSE(frame_steps(unplaced));
  Image turned = placed({0, 1, 2});
  turned.geometry[1]->row_cosine = {0.8, 0.6, 0};
  EXPECT_FALSE(frame_steps(turned));
}

TEST(FrameStepsTest, OfNiftiAreThoseOfItsAffine) {
  for (const char* name : {"u8.nii", "i16_qform.nii", "f32_4d_big.nii", "u16_nifti2.nii.gz"}) {
    const auto steps = frame_steps(read_image_header(test::data_path("images/") + name));
    ASSERT_TRUE(steps) << name;
    EXPECT_NEAR(steps->usual, 2.5, 1e-6) << name;
    EXPECT_TRUE(steps->even()) << name;
  }
  EXPECT_FALSE(frame_steps(read_image_header(test::data_path("images/no_form.nii"))));
}

}  // namespace
}  // namespace salus::io
