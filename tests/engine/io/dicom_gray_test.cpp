// The grayscale chain, padding and geometry of classic and Enhanced files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::Image;
using io::VoiFunction;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DicomBuilder slice() { return DicomBuilder().size(1, 2).bits(16, 16, 15, true).pixels16({0, 100}); }

TEST(DicomGrayTest, ReadsRescaleAndItsUnit) {
  const Image image = read_built(slice()
                                     .text(0x00281052, "DS", "-1024")
                                     .text(0x00281053, "DS", " +1.000244E+00 ")
                                     .text(0x00281054, "LO", "HU"));
  EXPECT_EQ(image.gray.at(0).slope, 1.000244);
  EXPECT_EQ(image.gray.at(0).intercept, -1024);
  EXPECT_EQ(image.gray.at(0).unit, "HU");
  EXPECT_TRUE(image.gray.at(0).has_rescale);
  const Image plain = read_built(slice());
  EXPECT_FALSE(plain.gray.at(0).has_rescale);
  EXPECT_EQ(plain.gray.at(0).slope, 1);
}

TEST(DicomGrayTest, TreatsEmptyRescaleAsAbsent) {
  const Image image = read_built(slice().text(0x00281052, "DS", "").text(0x00281053, "DS", "  "));
  EXPECT_FALSE(image.gray.at(0).has_rescale);
}

TEST(DicomGrayTest, ReadsWindowsAndTheirFunction) {
  const Image image = read_built(slice()
                                     .text(0x00281050, "DS", "40\\-600")
                                     .text(0x00281051, "DS", "400\\1500")
                                     .text(0x00281055, "LO", "SOFT\\LUNG")
                                     .text(0x00281056, "CS", "SIGMOID"));
  ASSERT_EQ(image.gray.at(0).windows.size(), 2u);
  EXPECT_EQ(image.gray.at(0).windows[1].center, -600);
  EXPECT_EQ(image.gray.at(0).windows[1].width, 1500);
  EXPECT_EQ(image.gray.at(0).windows[1].explanation, "LUNG");
  EXPECT_EQ(image.gray.at(0).function, VoiFunction::kSigmoid);
}

TEST(DicomGrayTest, LeavesOutWindowsThatCannotBeApplied) {
  const Image image =
      read_built(slice().text(0x00281050, "DS", "40\\x\\7").text(0x00281051, "DS", "0.5\\400\\80"));
  ASSERT_EQ(image.gray.at(0).windows.size(), 1u);
  EXPECT_EQ(image.gray.at(0).windows[0].center, 7);
  EXPECT_THAT(image.warnings, Contains(HasSubstr("Window 1 cannot be applied")));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("Window 2 cannot be applied")));
}

TEST(DicomGrayTest, ReadsModalityAndVoiLookupTables) {
  const DicomBuilder item = slice().item();
  const Image image =
      read_built(slice()
                     .sequence(0x00283000, {item.item()
                                                .words(0x00283002, "SS", {3, 0xFFFF, 16})
                                                .text(0x00283004, "LO", "US")
                                                .words(0x00283006, "US", {5, 6, 60000})})
                     .sequence(0x00283010, {item.item()
                                                .words(0x00283002, "US", {2, 5, 8})
                                                .text(0x00283003, "LO", "bone")
                                                .bytes(0x00283006, "OW", bytes_of({7, 255}))}));
  const io::GrayscaleChain& chain = image.gray.at(0);
  ASSERT_TRUE(chain.modality_lut);
  EXPECT_EQ(chain.modality_lut->first, -1);
  EXPECT_THAT(chain.modality_lut->entries, ElementsAre(5, 6, 60000));
  EXPECT_EQ(chain.unit, "US");
  ASSERT_EQ(chain.voi_luts.size(), 1u);
  EXPECT_THAT(chain.voi_luts[0].entries, ElementsAre(7, 255));
  EXPECT_EQ(chain.voi_luts[0].bits, 8);
  EXPECT_EQ(chain.voi_luts[0].explanation, "bone");
  EXPECT_THAT(modality_doubles(image), ElementsAre(6, 60000));
}

TEST(DicomGrayTest, PutsPackedBytesOfBigEndianTablesInOrder) {
  const DicomBuilder file =
      DicomBuilder(DicomBuilder::kBigEndian).size(1, 2).bits(16, 16, 15, false).pixels16({0, 2});
  // Entries 5, 6, 7 and a byte of padding.
  const DicomBuilder table = file.item()
                                 .words(0x00283002, "US", {3, 0, 8})
                                 .bytes(0x00283006, "OW", bytes_of({6, 5, 0, 7}));
  const Image image =
      read_built(DicomBuilder(file).sequence(0x00283000, {table}).sequence(0x00283010, {table}));
  EXPECT_THAT(image.gray.at(0).modality_lut->entries, ElementsAre(5, 6, 7));
  EXPECT_THAT(image.gray.at(0).voi_luts.at(0).entries, ElementsAre(5, 6, 7));
  EXPECT_THAT(modality_doubles(image), ElementsAre(5, 7));
}

TEST(DicomGrayTest, AVoiTableBehindAModalityTableBeginsUnsigned) {
  const DicomBuilder item = slice().item();
  const DicomBuilder voi =
      item.item().words(0x00283002, "US", {2, 40000, 16}).words(0x00283006, "US", {1, 2});
  const DicomBuilder modality =
      item.item().words(0x00283002, "SS", {2, 0xFFFF, 16}).words(0x00283006, "US", {40000, 40001});
  const Image image =
      read_built(slice().sequence(0x00283000, {modality}).sequence(0x00283010, {voi}));
  EXPECT_EQ(image.gray.at(0).modality_lut->first, -1);
  EXPECT_EQ(image.gray.at(0).voi_luts.at(0).first, 40000);
  const Image rescaled = read_built(slice().sequence(0x00283010, {voi}));
  EXPECT_EQ(rescaled.gray.at(0).voi_luts.at(0).first, 40000 - 65536);
}

TEST(DicomGrayTest, RefusesAModalityTableWithoutData) {
  const DicomBuilder item = slice().item().words(0x00283002, "US", {3, 0, 16});
  SALUS_EXPECT_ERROR(read_built(slice().sequence(0x00283000, {item})),
                     HasSubstr("ModalityLUTSequence (0028,3000) holds no complete table"));
}

/// One functional group: macro sequence with one item of one text.
DicomBuilder group(std::uint32_t macro, std::uint32_t tag, const std::string& value) {
  const DicomBuilder base = slice().item();
  return base.item().sequence(macro, {base.item().text(tag, "DS", value)});
}

TEST(DicomGrayTest, TakesFunctionalGroupsPerFrameAndShared) {
  DicomBuilder shared = group(0x00209116, 0x00200037, "1\\0\\0\\0\\1\\0");
  const DicomBuilder base = slice().item();
  shared.sequence(0x00289110,
                  {base.item().text(0x00280030, "DS", "0.5\\0.75").text(0x00180050, "DS", "3")});
  std::vector<DicomBuilder> frames;
  for (const char* z : {"10", "13"}) {
    DicomBuilder frame = group(0x00209113, 0x00200032, std::string("1\\2\\") + z);
    frame.sequence(
        0x00289145,
        {base.item().text(0x00281052, "DS", std::string("-") + z).text(0x00281053, "DS", "2")});
    frame.sequence(0x00289132,
                   {base.item().text(0x00281050, "DS", z).text(0x00281051, "DS", "50")});
    frames.push_back(frame);
  }
  const Image image = read_built(slice()
                                     .size(1, 2, 2)
                                     .pixels16({0, 1, 2, 3})
                                     .sequence(0x52009229, {shared})
                                     .sequence(0x52009230, frames, false));
  ASSERT_EQ(image.gray.size(), 2u);
  EXPECT_EQ(image.gray[1].intercept, -13);
  EXPECT_EQ(image.gray[1].windows.at(0).center, 13);
  EXPECT_THAT(modality_doubles(image), ElementsAre(-10, -8, -9, -7));
  ASSERT_EQ(image.geometry.size(), 2u);
  EXPECT_THAT(image.geometry[1]->origin, ElementsAre(1, 2, 13));
  EXPECT_THAT(*image.pixel_spacing, ElementsAre(0.5, 0.75));
  EXPECT_EQ(image.slice_thickness, 3);
}

TEST(DicomGrayTest, ReadsPaddingInTheSignednessOfThePixels) {
  const auto padding = [](bool is_signed, const char* vr, std::uint16_t value) {
    return read_built(DicomBuilder()
                          .size(1, 2)
                          .bits(16, 16, 15, is_signed)
                          .words(0x00280120, vr, {value})
                          .pixels16({0, 1}))
        .padding->low;
  };
  EXPECT_EQ(padding(true, "US", 63536), -2000);
  EXPECT_EQ(padding(true, "SS", 63536), -2000);
  EXPECT_EQ(padding(false, "US", 63536), 63536);
  EXPECT_EQ(padding(false, "SS", 63536), 63536);
  EXPECT_FALSE(read_built(slice()).padding);
  const Image range =
      read_built(slice().words(0x00280120, "SS", {100}).words(0x00280121, "SS", {0xFFFF}));
  EXPECT_EQ(range.padding->low, -1);
  EXPECT_EQ(range.padding->high, 100);
}

template <typename T>
Bytes as_bytes(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(DicomGrayTest, ReadsAnyFloatAsPadding) {
  for (const float value : {std::numeric_limits<float>::lowest(), -0.5F, 0.1F, 1e20F}) {
    SCOPED_TRACE(value);
    const Image image =
        read_built(DicomBuilder()
                       .size(1, 3)
                       .bytes(0x00280122, "FL", as_bytes<float>({value}))
                       .bytes(0x7FE00008, "OF", as_bytes<float>({value, 7, value})));
    ASSERT_TRUE(image.padding);
    EXPECT_EQ(image.padding->low, value);
    EXPECT_EQ(image.padding->high, value);
    EXPECT_EQ(io::modality_values(image).padding_count, 2);
    EXPECT_THAT(image.warnings, IsEmpty());
  }
}

TEST(DicomGrayTest, ReadsARangeOfDoublesAsPadding) {
  const Image image =
      read_built(DicomBuilder()
                     .size(1, 4)
                     .doubles(0x00280123, {-0.25})
                     .doubles(0x00280125, {-1e300})
                     .bytes(0x7FE00009, "OD", as_bytes<double>({-0.25, -0.2, -1e300, -1.1e300})));
  ASSERT_TRUE(image.padding);
  EXPECT_EQ(image.padding->low, -1e300);
  EXPECT_EQ(image.padding->high, -0.25);
  EXPECT_EQ(io::modality_values(image).padding_count, 2);
}

TEST(DicomGrayTest, ReadsGeometryOrLeavesItOut) {
  const auto file = [](const char* cosines) {
    return slice().text(0x00200032, "DS", "-1.5\\2\\3").text(0x00200037, "DS", cosines);
  };
  const Image image = read_built(file("1\\0\\0\\0\\0\\-1").text(0x00280030, "DS", "0.7\\0.8"));
  ASSERT_EQ(image.geometry.size(), 1u);
  EXPECT_THAT(image.geometry[0]->origin, ElementsAre(-1.5, 2, 3));
  EXPECT_THAT(image.geometry[0]->column_cosine, ElementsAre(0, 0, -1));
  const Image none = read_built(slice());
  EXPECT_THAT(none.geometry, IsEmpty());
  EXPECT_FALSE(none.pixel_spacing);
  const Image bad = read_built(file("1\\0\\0\\1\\0\\0"));
  EXPECT_THAT(bad.geometry, IsEmpty());
  EXPECT_THAT(bad.warnings, Contains(HasSubstr("geometry was left out")));
}

TEST(DicomGrayTest, PlacesDoseFramesByTheirOffsets) {
  const Image image = read_built(slice()
                                     .size(1, 2, 2)
                                     .pixels16({0, 1, 2, 3})
                                     .text(0x00200032, "DS", "0\\0\\5")
                                     .text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")
                                     .text(0x3004000C, "DS", "0\\2.5"));
  ASSERT_EQ(image.geometry.size(), 2u);
  EXPECT_THAT(image.geometry[1]->origin, ElementsAre(0, 0, 7.5));
  EXPECT_EQ(image.gray.at(0).slope, 1) << "DoseGridScaling is not a rescale";
}

TEST(DicomGrayTest, KeepsMonochrome1Uninverted) {
  const Image image = read_built(slice().text(0x00280004, "CS", "MONOCHROME1"));
  EXPECT_TRUE(image.monochrome1);
  EXPECT_THAT(stored_values(image), ElementsAre(0, 100));
}

}  // namespace
}  // namespace salus::test
