#include "engine/io/nifti.h"

#include <zlib.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "engine/io/numbers.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::read_test_file;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string golden(const std::string& name) { return data_path("images/" + name); }

// A copy of a golden file with bytes changed at one place.
class Altered {
 public:
  Altered(const std::string& name, std::size_t at, const std::vector<int>& values) {
    auto bytes = read_test_file(golden(name));
    for (std::size_t i = 0; i < values.size(); ++i)
      bytes[at + i] = static_cast<std::byte>(values[i]);
    test::write_test_file(path(), bytes);
  }
  std::string path() const { return folder_.path("altered.nii"); }

 private:
  test::TemporaryFolder folder_;
};

class NiftiGoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  nlohmann::json expected() const {
    return nlohmann::json::parse(read_text(golden("nifti.json"))).at(GetParam());
  }
};

TEST_P(NiftiGoldenTest, VoxelsEqualNibabel) {
  const Image image = read_image(golden(GetParam()));
  const NpyArray voxels = read_npy(golden(std::string(GetParam()) + ".npy"));
  EXPECT_EQ(image.format, "NIfTI");
  EXPECT_EQ(numpy_name(image.pixels.type), voxels.dtype);
  EXPECT_EQ(image.pixels.frames, voxels.shape[0]);
  EXPECT_EQ(image.pixels.rows, voxels.shape[1]);
  EXPECT_EQ(image.pixels.columns, voxels.shape[2]);
  ASSERT_EQ(image.pixels.bytes->size(), voxels.bytes.size());
  EXPECT_EQ(std::memcmp(image.pixels.bytes->data(), voxels.bytes.data(), voxels.bytes.size()), 0);
}

TEST_P(NiftiGoldenTest, RescaleEqualsNibabel) {
  const Image image = read_image_header(golden(GetParam()));
  EXPECT_FALSE(image.pixels.bytes);
  EXPECT_DOUBLE_EQ(image.chain(0).slope, expected()["slope"].get<double>());
  EXPECT_DOUBLE_EQ(image.chain(0).intercept, expected()["inter"].get<double>());
}

TEST_P(NiftiGoldenTest, GeometryIsNibabelsAffineInLps) {
  const Image image = read_image_header(golden(GetParam()));
  if (expected()["affine"].is_null()) {
    EXPECT_TRUE(image.geometry.empty());
    return;
  }
  const auto affine = expected()["affine"].get<std::vector<std::vector<double>>>();
  ASSERT_EQ(static_cast<std::int64_t>(image.geometry.size()), image.pixels.frames);
  ASSERT_TRUE(image.pixel_spacing.has_value());
  const auto [between_rows, between_columns] = *image.pixel_spacing;
  const double sign[3] = {-1, -1, 1};
  for (std::int64_t frame = 0; frame < image.pixels.frames; ++frame) {
    const auto k = static_cast<double>(frame % 5);  // every golden volume has five slices
    ASSERT_TRUE(image.geometry[frame].has_value());
    const Geometry& g = *image.geometry[frame];
    for (std::size_t r = 0; r < 3; ++r) {
      EXPECT_NEAR(g.origin[r], sign[r] * (affine[r][2] * k + affine[r][3]), 1e-5);
      EXPECT_NEAR(g.row_cosine[r] * between_columns, sign[r] * affine[r][0], 1e-5);
      EXPECT_NEAR(g.column_cosine[r] * between_rows, sign[r] * affine[r][1], 1e-5);
    }
  }
}

TEST_P(NiftiGoldenTest, RefusesEveryTruncation) {
  const test::TemporaryFolder folder;
  const auto whole = read_test_file(golden(GetParam()));
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 40) {
    const std::vector<std::byte> part(whole.begin(),
                                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    test::write_test_file(folder.path("part"), part);
    EXPECT_THROW(read_nifti(folder.path("part"), {}, true), Error)
        << size << " of " << whole.size();
  }
}

INSTANTIATE_TEST_SUITE_P(Files, NiftiGoldenTest,
                         ::testing::Values("u8.nii", "i16_scaled.nii.gz", "f32_4d_big.nii",
                                           "i16_qform.nii", "u16_nifti2.nii.gz",
                                           "f64_nifti2_big.nii", "no_form.nii", "i64.nii",
                                           "rgb.nii"));

TEST(NiftiTest, ScaleIsSaidToBeInTheFile) {
  EXPECT_TRUE(read_image_header(golden("i16_scaled.nii.gz")).chain(0).has_rescale);
  EXPECT_FALSE(read_image_header(golden("rgb.nii")).chain(0).has_rescale);
}

TEST(NiftiTest, WithoutFormTheSpacingIsKeptAndTheGeometryAbsent) {
  const Image image = read_image_header(golden("no_form.nii"));
  EXPECT_TRUE(image.geometry.empty());
  ASSERT_TRUE(image.pixel_spacing.has_value());
}

TEST(NiftiTest, ADamagedGzipStreamIsRefused) {
  const test::TemporaryFolder folder;
  auto bytes = read_test_file(golden("i16_scaled.nii.gz"));
  bytes[bytes.size() - 6] ^= std::byte{0x10};  // the CRC-32
  test::write_test_file(folder.path("a.nii.gz"), bytes);
  SALUS_EXPECT_ERROR(read_image(folder.path("a.nii.gz")), HasSubstr("damaged"));
}

TEST(NiftiTest, RefusesAPairHeader) {
  const Altered file("u8.nii", 344, {'n', 'i', '1'});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr(".hdr/.img pair"));
}

TEST(NiftiTest, RefusesClaimsThatTheFileCannotHold) {
  const Altered file("u8.nii", 42, {0xff, 0x7f, 0xff, 0x7f, 0x02, 0x00});  // 32767 x 32767 x 2
  SALUS_EXPECT_ERROR(read_image(file.path()),
                     AllOf(HasSubstr("truncated"), HasSubstr("2147352578")));
}

TEST(NiftiTest, RefusesSizesOverTheLimit) {
  const Altered file("u8.nii", 42, {0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("bytes allowed"));
}

TEST(NiftiTest, RefusesANegativeExtent) {
  const Altered file("u8.nii", 42, {0xff, 0xff});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("extent -1 in dimension 1"));
}

TEST(NiftiTest, RefusesAnImpossibleNumberOfDimensions) {
  const Altered file("u8.nii", 40, {9, 0});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("9 dimensions"));
}

TEST(NiftiTest, RefusesAFifthDimension) {
  const Altered file("u8.nii", 40, {5, 0, 7, 0, 11, 0, 5, 0, 1, 0, 3, 0});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("extent 3 in dimension 5"));
}

TEST(NiftiTest, RefusesComplexVoxels) {
  const Altered file("u8.nii", 70, {32, 0});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("datatype 32"));
}

TEST(NiftiTest, RefusesPixelsInsideTheHeader) {
  const Altered file("u8.nii", 108, {0, 0, 0, 0});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("begin at byte 0"));
}

TEST(NiftiTest, RefusesA64BitValueBeyond32Bits) {
  const std::size_t data = 352;
  const Altered file("i64.nii", data + 4, {1});
  SALUS_EXPECT_ERROR(read_image(file.path()), HasSubstr("does not fit 32 bits"));
}

TEST(NiftiTest, ASingularGeometryIsLeftOutAndWarnedOf) {
  const Altered file("u8.nii", 280, std::vector<int>(48, 0));
  const Image image = read_image(file.path());
  EXPECT_TRUE(image.geometry.empty());
  ASSERT_FALSE(image.warnings.empty());
  EXPECT_THAT(image.warnings[0], HasSubstr("singular"));
}

TEST(NiftiTest, AnUnknownUnitOfLengthIsWarnedOf) {
  const Altered file("u8.nii", 123, {0});
  const Image image = read_image(file.path());
  ASSERT_EQ(image.warnings.size(), 1u);
  EXPECT_THAT(image.warnings[0], HasSubstr("millimetres are assumed"));
}

TEST(NiftiTest, MetresBecomeMillimetres) {
  const Altered file("u8.nii", 123, {1});
  const Image metres = read_image(file.path());
  const Image image = read_image(golden("u8.nii"));
  EXPECT_NEAR((*metres.pixel_spacing)[0], 1000 * (*image.pixel_spacing)[0], 1e-6);
  EXPECT_NEAR(metres.geometry[3]->origin[2], 1000 * image.geometry[3]->origin[2], 1e-6);
}

test::Bytes gzip(const test::Bytes& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  test::Bytes out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(NiftiTest, ReadsSeveralGzipMembersAndRefusesGarbageBehind) {
  const test::TemporaryFolder folder;
  const auto whole = read_test_file(golden("u8.nii"));
  const auto middle = whole.begin() + 500;
  auto packed = gzip({whole.begin(), middle});
  const auto rest = gzip({middle, whole.end()});
  packed.insert(packed.end(), rest.begin(), rest.end());
  test::write_test_file(folder.path("a.nii.gz"), packed);
  EXPECT_EQ(*read_image(folder.path("a.nii.gz")).pixels.bytes,
            *read_image(golden("u8.nii")).pixels.bytes);
  packed.push_back(std::byte{'x'});
  test::write_test_file(folder.path("a.nii.gz"), packed);
  EXPECT_THROW(read_image(folder.path("a.nii.gz")), Error);
}

TEST(NiftiTest, ZerosBehindAGzipStreamArePaddingAndNothingElseIs) {
  const test::TemporaryFolder folder;
  const auto whole = read_test_file(golden("u8.nii"));
  const auto read = [&](const test::Bytes& packed) {
    test::write_test_file(folder.path("a.nii.gz"), packed);
    return *read_image(folder.path("a.nii.gz")).pixels.bytes;
  };
  for (const int zeros : {1, 511, 100'000}) {
    auto packed = gzip(whole);
    packed.insert(packed.end(), static_cast<std::size_t>(zeros), std::byte{0});
    EXPECT_EQ(read(packed), *read_image(golden("u8.nii")).pixels.bytes) << zeros;
    for (const std::size_t at :
         {packed.size() - 1, packed.size() - static_cast<std::size_t>(zeros)}) {
      auto garbage = packed;
      garbage[at] = std::byte{'x'};
      EXPECT_THROW(read(garbage), Error) << zeros;
    }
    const auto another = gzip({whole.begin(), whole.begin() + 10});
    packed.insert(packed.end(), another.begin(), another.end());
    EXPECT_THROW(read(packed), Error) << "gzip(1) takes no member behind zeros either";
  }
  auto cut = gzip({whole.begin(), whole.end() - 1});
  cut.insert(cut.end(), 64, std::byte{0});
  SALUS_EXPECT_ERROR(read(cut), HasSubstr("truncated"));  // zeros are no pixels
}

TEST(NiftiFuzzTest, NeverCrashesHangsOrFillsMemory) {
  std::vector<test::Bytes> seeds;
  for (const char* name : {"u8.nii", "f32_4d_big.nii", "f64_nifti2_big.nii", "i16_scaled.nii.gz",
                           "u16_nifti2.nii.gz", "rgb.nii", "i64.nii"}) {
    seeds.push_back(read_test_file(golden(name)));
  }
  const auto make = [&](test::Rng& rng) {
    test::Bytes bytes = seeds[test::below(rng, seeds.size())];
    test::mutate(bytes, rng);
    return test::below(rng, 3) == 0 ? gzip(bytes) : bytes;
  };
  const auto consume = [](const std::string& path) {
    const Image image = read_nifti(path, {}, true);
    if (image.pixels.bytes->size() != image.pixels.frames * image.pixels.bytes_per_frame()) {
      throw std::logic_error("the pixels do not have the size they claim");
    }
  };
  const auto report = test::run_fuzz("nifti", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.refused, 0);
  EXPECT_GT(report.accepted, 0);
}

}  // namespace
}  // namespace salus::io
