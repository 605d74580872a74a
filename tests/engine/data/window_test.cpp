#include "engine/data/window.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/data/transform.h"

namespace salus::data {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

/// One row of pixels.
template <typename T>
io::Image row_of(io::PixelType type, std::vector<T> values, int bits) {
  io::Image image;
  image.pixels.type = type;
  image.pixels.frames = image.pixels.rows = 1;
  image.pixels.columns = static_cast<std::int64_t>(values.size());
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  std::memcpy(image.pixels.bytes->data(), values.data(), values.size() * sizeof(T));
  image.bits_stored = bits;
  image.gray.resize(1);
  return image;
}

io::LookupTable table(std::vector<std::uint16_t> entries, std::int64_t first = 0) {
  io::LookupTable lut;
  lut.first = first;
  lut.entries = std::move(entries);
  return lut;
}

/// What a transform with this window makes of the row, one output per pixel.
std::vector<float> seen(const io::Image& image, const std::string& window,
                        const std::string& more = "") {
  const auto size = "size = [1, " + std::to_string(image.pixels.columns) + "]\n";
  const Transform transform(Config::parse(size + "window = " + window + "\n" + more, "t.toml"));
  const auto out = transform.apply(image, 0).contiguous();
  return {out.const_data_ptr<float>(), out.const_data_ptr<float>() + out.numel()};
}

io::Image with_modality_table(io::Image image) {
  image.gray[0].modality_lut = table({0, 500, 1000});
  return image;
}

const std::vector<std::uint8_t> kBytes = {0, 1, 2, 9};

TEST(WindowTest, AFileWindowBehindAModalityTableHasTheFunctionOfTheFile) {
  auto image = with_modality_table(row_of(io::PixelType::kU8, kBytes, 8));
  image.gray[0].windows.push_back({400, 1000, ""});
  const auto expect = [&](io::VoiFunction function, const auto& formula) {
    image.gray[0].function = function;
    std::vector<float> expected;
    for (const double x : {0, 500, 1000, 1000}) expected.push_back(static_cast<float>(formula(x)));
    EXPECT_THAT(seen(image, "'file'"), Pointwise(FloatNear(1e-6F), expected));
  };
  const auto clamped = [](double y) { return std::clamp(y, 0.0, 1.0); };
  expect(io::VoiFunction::kLinear, [&](double x) { return clamped((x - 399.5) / 999 + 0.5); });
  expect(io::VoiFunction::kLinearExact, [&](double x) { return clamped((x - 400) / 1000 + 0.5); });
  expect(io::VoiFunction::kSigmoid, [](double x) { return 1 / (1 + std::exp(-(x - 400) / 250)); });
}

TEST(WindowTest, WidePixelsBehindATableAreWindowedOneByOne) {
  const auto narrow = with_modality_table(row_of(io::PixelType::kU8, kBytes, 8));
  const auto wide =
      with_modality_table(row_of<std::uint32_t>(io::PixelType::kU32, {0, 1, 2, 4000000000U}, 32));
  // 16 bits in elements of 32: the kernel sees them as float, and no table fits those.
  const auto roomy =
      with_modality_table(row_of<std::int32_t>(io::PixelType::kI32, {0, 1, 2, 9}, 16));
  for (const char* window : {"[500.5, 801]", "'full'", "'minmax'"}) {
    SCOPED_TRACE(window);
    const auto expected = seen(narrow, window);
    EXPECT_THAT(seen(wide, window), Pointwise(FloatNear(1e-6F), expected));
    EXPECT_THAT(seen(roomy, window), Pointwise(FloatNear(1e-6F), expected));
  }
}

TEST(WindowTest, FloatPixelsBehindATableKeepNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto image =
      with_modality_table(row_of<float>(io::PixelType::kF32, {0, 1, -1e30F, 1e30F, nan}, 32));
  auto out = seen(image, "[500.5, 1001]");
  EXPECT_TRUE(std::isnan(out.back()));
  out.pop_back();
  EXPECT_THAT(out, Pointwise(FloatNear(1e-6F), {0.0F, 0.5F, 0.0F, 1.0F}));
}

TEST(WindowTest, WidePixelsTakeTheVoiTable) {
  auto image = row_of<std::uint32_t>(io::PixelType::kU32, {99999, 100000, 100001, 7}, 32);
  image.gray[0].voi_luts.push_back(table({0, 13107, 65535}, 99999));
  EXPECT_THAT(seen(image, "'file'"), Pointwise(FloatNear(1e-6F), {0.0F, 0.2F, 1.0F, 0.0F}));
}

TEST(WindowTest, WidePixelsBehindATableKeepPaddingAndInversion) {
  auto image =
      with_modality_table(row_of<std::uint32_t>(io::PixelType::kU32, {0, 1, 2, 4000000000U}, 32));
  image.padding = io::PaddingRange{4000000000.0, 4000000000.0};
  image.monochrome1 = true;
  EXPECT_THAT(seen(image, "[500.5, 1001]", "pad_value = 0.25"),
              Pointwise(FloatNear(1e-6F), {1.0F, 0.5F, 0.0F, 0.25F}));
}

TEST(WindowTest, EachFrameHasItsOwnPadding) {
  auto image = row_of<std::uint8_t>(io::PixelType::kU8, {0, 255, 0, 255}, 8);
  image.pixels.columns = 2;
  image.pixels.frames = 2;
  image.frame_padding = {io::PaddingRange{0, 0}, io::PaddingRange{255, 255}};
  const Transform transform(Config::parse("size = [1, 2]\npad_value = 0.5", "t.toml"));
  const auto at = [&](std::int64_t frame, int i) {
    return transform.apply(image, frame).const_data_ptr<float>()[i];
  };
  EXPECT_EQ(at(0, 0), 0.5F);
  EXPECT_EQ(at(0, 1), 1);
  EXPECT_EQ(at(1, 0), 0);
  EXPECT_EQ(at(1, 1), 0.5F);
}

}  // namespace
}  // namespace salus::data
