// Stored values: bits, signs, planes, frames, colour spaces and palettes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::Image;
using io::PixelType;
using testing::Contains;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

TEST(DicomPixelsTest, MasksAndSignExtendsStoredBits) {
  // 12 bits in 16 with overlay bits above them.
  const auto image = [](int high, bool is_signed) {
    return read_built(DicomBuilder()
                          .size(1, 4)
                          .bits(16, 12, high, is_signed)
                          .pixels16({0xF001, 0x7FFF, 0x0800, 0x5800}));
  };
  EXPECT_THAT(stored_values(image(11, false)), ElementsAre(1, 4095, 2048, 2048));
  EXPECT_THAT(stored_values(image(11, true)), ElementsAre(1, -1, -2048, -2048));
  EXPECT_THAT(stored_values(image(15, false)), ElementsAre(0xF00, 0x7FF, 0x080, 0x580));
  EXPECT_THAT(stored_values(image(15, true)), ElementsAre(-256, 0x7FF, 0x080, 0x580));
  EXPECT_EQ(image(11, true).pixels.type, PixelType::kI16);
  EXPECT_EQ(image(11, true).bits_stored, 12);
}

TEST(DicomPixelsTest, MasksLongRowsLikeShortOnes) {
  std::vector<int> values;
  std::vector<double> expected;
  for (int i = 0; i < 1000; ++i) {
    values.push_back((i * 7919) & 0xFFFF);
    const int low = values.back() & 0xFFF;
    expected.push_back(low >= 2048 ? low - 4096 : low);
  }
  const Image image =
      read_built(DicomBuilder().size(1, 1000).bits(16, 12, 11, true).pixels16(values));
  EXPECT_THAT(stored_values(image), ElementsAreArray(expected));
}

TEST(DicomPixelsTest, IgnoresAnImpossibleHighBit) {
  const Image image =
      read_built(DicomBuilder().size(1, 1).bits(16, 12, 3, false).pixels16({0xF123}));
  EXPECT_THAT(stored_values(image), ElementsAre(0x123));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("HighBit (0028,0102) is 3")));
}

TEST(DicomPixelsTest, AssumesWhatIsMissingAndSaysSo) {
  const Image image = read_built(DicomBuilder()
                                     .size(1, 2)
                                     .remove(0x00280103)
                                     .remove(0x00280101)
                                     .remove(0x00280004)
                                     .pixels8({200, 3}));
  EXPECT_THAT(stored_values(image), ElementsAre(200, 3));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("PixelRepresentation (0028,0103) is missing")));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("BitsStored (0028,0101) is missing")));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("MONOCHROME2 was assumed")));
}

TEST(DicomPixelsTest, UnpacksOneBitPixelsAcrossFrames) {
  // Two frames of 3 bits, least significant bit first, without a gap between them.
  const Image image =
      read_built(DicomBuilder().size(1, 3, 2).bits(1, 1, 0, false).pixels8({0b101011}));
  EXPECT_EQ(image.pixels.type, PixelType::kU8);
  EXPECT_THAT(stored_values(image), ElementsAre(1, 1, 0, 1, 0, 1));
}

TEST(DicomPixelsTest, UnpacksTwelveBitPixels) {
  const Image image =
      read_built(DicomBuilder().size(1, 2).bits(12, 12, 11, false).pixels8({0x23, 0x61, 0x45, 0}));
  EXPECT_THAT(stored_values(image), ElementsAre(0x123, 0x456));
}

TEST(DicomPixelsTest, ReadsThirtyTwoBitsOfBothSigns) {
  for (const bool is_signed : {false, true}) {
    const Image image = read_built(DicomBuilder()
                                       .size(1, 2)
                                       .bits(32, 32, 31, is_signed)
                                       .pixels8({0xFE, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}));
    EXPECT_THAT(stored_values(image), ElementsAre(is_signed ? -2.0 : 4294967294.0, 0x04030201));
  }
}

TEST(DicomPixelsTest, SwapsBigEndianValuesOfEveryWidth) {
  const auto big = [] { return DicomBuilder(DicomBuilder::kBigEndian); };
  EXPECT_THAT(
      stored_values(read_built(big().size(1, 2).bits(16, 16, 15, true).pixels16({0xFFFE, 0x0102}))),
      ElementsAre(-2, 0x102));
  EXPECT_THAT(stored_values(read_built(big().size(1, 3).pixels8({1, 2, 3}, "OW"))),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(stored_values(read_built(big().size(1, 3).pixels8({1, 2, 3}, "OB"))),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(
      stored_values(read_built(big().size(1, 1).bits(32, 32, 31, false).pixels8({1, 2, 3, 4}))),
      ElementsAre(0x01020304));
}

TEST(DicomPixelsTest, ReadsFloatAndDoublePixels) {
  const std::vector<double> values = {1.5, -2.25, 1e300};
  Bytes bytes(24);
  std::memcpy(bytes.data(), values.data(), 24);
  const Image doubles = read_built(DicomBuilder().size(1, 3).bytes(0x7FE00009, "OD", bytes));
  EXPECT_EQ(doubles.pixels.type, PixelType::kF64);
  EXPECT_THAT(stored_values(doubles), ElementsAreArray(values));
  const std::vector<float> singles = {0.5f, -3.0f};
  bytes.resize(8);
  std::memcpy(bytes.data(), singles.data(), 8);
  const Image floats = read_built(DicomBuilder().size(1, 2).bytes(0x7FE00008, "OF", bytes));
  EXPECT_EQ(floats.pixels.type, PixelType::kF32);
  EXPECT_THAT(stored_values(floats), ElementsAre(0.5, -3));
}

TEST(DicomPixelsTest, InterleavesColourPlanesOfEveryFrame) {
  const auto file = [](int planar) { return DicomBuilder().size(1, 2, 2).colour("RGB", planar); };
  const std::vector<double> rgb = {1, 3, 5, 2, 4, 6, 11, 13, 15, 12, 14, 16};
  EXPECT_THAT(
      stored_values(read_built(file(1).pixels8({1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}))),
      ElementsAreArray(rgb));
  EXPECT_THAT(
      stored_values(read_built(file(0).pixels8({1, 3, 5, 2, 4, 6, 11, 13, 15, 12, 14, 16}))),
      ElementsAreArray(rgb));
}

TEST(DicomPixelsTest, ConvertsYbrByTheStandardsFormula) {
  const Image full =
      read_built(DicomBuilder().size(1, 2).colour("YBR_FULL").pixels8({76, 85, 255, 150, 44, 21}));
  EXPECT_THAT(stored_values(full), ElementsAre(254, 0, 0, 0, 255, 1));
  // Y1 Y2 Cb Cr.
  const Image half =
      read_built(DicomBuilder().size(1, 2).colour("YBR_FULL_422").pixels8({76, 76, 85, 255}));
  EXPECT_THAT(stored_values(half), ElementsAre(254, 0, 0, 254, 0, 0));
  const Image partial =
      read_built(DicomBuilder().size(1, 2).colour("YBR_PARTIAL_422").pixels8({16, 235, 128, 128}));
  EXPECT_THAT(stored_values(partial), ElementsAre(0, 0, 0, 255, 255, 255));
}

TEST(DicomPixelsTest, TakesFourTwoTwoOfFullLengthForUnsubsampled) {
  const auto file = [](int columns) {
    return DicomBuilder().size(1, columns).colour("YBR_FULL_422");
  };
  const Image even = read_built(file(2).pixels8({76, 85, 255, 150, 44, 21}));
  EXPECT_THAT(stored_values(even), ElementsAre(254, 0, 0, 0, 255, 1));
  EXPECT_EQ(even.photometric, "YBR_FULL_422");
  EXPECT_THAT(even.warnings, Contains(HasSubstr("every pixel has three samples")));
  const Image odd = read_built(file(3).pixels8({76, 85, 255, 150, 44, 21, 9, 128, 128}));
  EXPECT_THAT(stored_values(odd), ElementsAre(254, 0, 0, 0, 255, 1, 9, 9, 9));
}

TEST(DicomPixelsTest, ReadsPairsAcrossRowsOnlyWhereTheLengthSaysSo) {
  const auto file = [](int rows) { return DicomBuilder().size(rows, 3).colour("YBR_FULL_422"); };
  const std::vector<int> pairs = {1, 2, 128, 128, 3, 4, 128, 128, 5, 6, 128, 128};
  const Image image = read_built(file(2).pixels8(pairs));
  EXPECT_THAT(stored_values(image),
              ElementsAre(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6));
  EXPECT_THAT(image.warnings, Contains(HasSubstr("across the ends of rows")));
  SALUS_EXPECT_ERROR(read_built(file(2).pixels8(std::vector<int>(16))),
                     HasSubstr("it has 3 columns"));
  SALUS_EXPECT_ERROR(read_built(file(1).pixels8({1, 2, 3, 4, 5, 6})),
                     HasSubstr("it has 3 columns"));
}

DicomBuilder palette_file(bool segmented) {
  DicomBuilder file;
  file.size(1, 4).text(0x00280004, "CS", "PALETTE COLOR");
  for (std::uint32_t c = 0; c < 3; ++c) {
    file.words(0x00281101 + c, "US", {4, 10, 16});
    const auto v = static_cast<std::uint16_t>(100 * (c + 1));
    if (segmented) {
      // Discrete 1 entry, linear to v + 2 over 2 entries, discrete 1 entry.
      file.words(0x00281221 + c, "OW",
                 {0, 1, v, 1, 2, static_cast<std::uint16_t>(v + 2), 0, 1,
                  static_cast<std::uint16_t>(v + 3)});
    } else {
      file.words(0x00281201 + c, "OW",
                 {v, static_cast<std::uint16_t>(v + 1), static_cast<std::uint16_t>(v + 2),
                  static_cast<std::uint16_t>(v + 3)});
    }
  }
  return file.pixels8({0, 10, 12, 99});
}

TEST(DicomPixelsTest, LooksUpPalettesPlainAndSegmented) {
  for (const bool segmented : {false, true}) {
    const Image image = read_built(palette_file(segmented));
    EXPECT_EQ(image.pixels.samples, 3);
    EXPECT_EQ(image.pixels.type, PixelType::kU16);
    EXPECT_THAT(stored_values(image),
                ElementsAre(100, 200, 300, 100, 200, 300, 102, 202, 302, 103, 203, 303));
  }
}

/// The third segment (word 7, byte 14) is repeated from `offset`.
DicomBuilder repeating_palette(std::uint16_t offset) {
  DicomBuilder file = DicomBuilder().size(1, 4).text(0x00280004, "CS", "PALETTE COLOR");
  for (std::uint32_t c = 0; c < 3; ++c) {
    file.words(0x00281101 + c, "US", {11, 0, 16});
    file.words(0x00281221 + c, "OW",
               {0, 2, 100, 200, 1, 2, 300, 0, 3, 5, 6, 7, 2, 1, offset, 0, 0, 1, 9});
  }
  return file.pixels8({3, 7, 9, 10});
}

TEST(DicomPixelsTest, RepeatsSegmentsAtOffsetsInBytesOrWords) {
  for (const std::uint16_t offset : {14, 7}) {
    SCOPED_TRACE(offset);
    EXPECT_THAT(stored_values(read_built(repeating_palette(offset))),
                ElementsAre(300, 300, 300, 5, 5, 5, 7, 7, 7, 9, 9, 9));
  }
  // Inside a segment by either count, the indirect segment itself, and beyond the end.
  for (const std::uint16_t offset : {3, 24, 1000}) {
    SCOPED_TRACE(offset);
    SALUS_EXPECT_ERROR(read_built(repeating_palette(offset)),
                       HasSubstr("segmented palette is damaged"));
  }
}

TEST(DicomPixelsTest, PutsPackedBytesOfBigEndianPalettesInOrder) {
  for (const bool segmented : {false, true}) {
    DicomBuilder file = DicomBuilder(DicomBuilder::kBigEndian).size(1, 4);
    file.text(0x00280004, "CS", "PALETTE COLOR");
    for (std::uint32_t c = 0; c < 3; ++c) {
      file.words(0x00281101 + c, "US", {3, 10, 8});
      // Entries 1, 2, 3 and a byte of padding; segmented, behind the opcode and the length.
      if (segmented) {
        file.bytes(0x00281221 + c, "OW", bytes_of({3, 0, 2, 1, 0, 3}));
      } else {
        file.bytes(0x00281201 + c, "OW", bytes_of({2, 1, 0, 3}));
      }
    }
    EXPECT_THAT(stored_values(read_built(file.pixels8({10, 11, 12, 99}))),
                ElementsAre(1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3));
  }
}

TEST(DicomPixelsTest, RefusesDamagedPalettes) {
  SALUS_EXPECT_ERROR(read_built(palette_file(false).remove(0x00281202)), HasSubstr("palette"));
  SALUS_EXPECT_ERROR(read_built(palette_file(false).remove(0x00281101)),
                     HasSubstr("RedPaletteColorLookupTableDescriptor"));
  SALUS_EXPECT_ERROR(read_built(palette_file(true).words(0x00281221, "OW", {1, 5, 7})),
                     HasSubstr("segmented palette is damaged"));
  SALUS_EXPECT_ERROR(read_built(palette_file(true).words(0x00281221, "OW", {0, 50, 7})),
                     HasSubstr("segmented palette is damaged"));
}

TEST(DicomPixelsTest, DecodesRleOfOneBitAndThirtyTwoBits) {
  Bytes header(64);
  header[0] = std::byte{1};
  header[4] = std::byte{64};
  Bytes frame = header;
  frame.push_back(std::byte{0});  // one literal byte
  frame.push_back(std::byte{0b101});
  const Image bits = read_built(
      DicomBuilder(DicomBuilder::kRle).size(1, 3).bits(1, 1, 0, false).fragments({frame}));
  EXPECT_THAT(stored_values(bits), ElementsAre(1, 0, 1));
  EXPECT_THAT(
      stored_values(io::read_dicom(data_path("dicom/odd/rtdose_rle_1frame.dcm"))),
      ElementsAreArray(stored_values(io::read_dicom(data_path("dicom/odd/rtdose_1frame.dcm")))));
}

TEST(DicomPixelsTest, ReadsEncapsulatedUncompressedAndDeflatedFrames) {
  const Image plain = read_built(DicomBuilder("1.2.840.10008.1.2.1.98")
                                     .size(1, 3, 2)
                                     .fragments({bytes_of({1, 2, 3}), bytes_of({4, 5, 6})}));
  EXPECT_THAT(stored_values(plain), ElementsAre(1, 2, 3, 4, 5, 6));
  const Image packed =
      read_built(DicomBuilder("1.2.840.10008.1.2.8.1")
                     .size(1, 3, 2)
                     .fragments({deflated(bytes_of({1, 2, 3})), deflated(bytes_of({4, 5, 6}))}));
  EXPECT_THAT(stored_values(packed), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(DicomPixelsTest, FindsFramesByEveryTable) {
  const std::vector<Bytes> parts = {bytes_of({1, 2}), bytes_of({3, 0}), bytes_of({4, 5, 6, 0})};
  const auto file = [&](const std::vector<std::uint32_t>& offsets) {
    return DicomBuilder("1.2.840.10008.1.2.1.98").size(1, 3, 2).fragments(parts, offsets);
  };
  const std::vector<double> expected = {1, 2, 3, 4, 5, 6};
  EXPECT_THAT(stored_values(read_built(file({0, 20}))), ElementsAreArray(expected));
  const Bytes extended = bytes_of({0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_THAT(stored_values(read_built(file({}).bytes(0x7FE00001, "OV", extended))),
              ElementsAreArray(expected));
  SALUS_EXPECT_ERROR(read_built(file({0, 21})), HasSubstr("cannot be divided"));
  // A table that is wrong while there is one fragment per frame.
  const Image odd = read_built(DicomBuilder("1.2.840.10008.1.2.1.98")
                                   .size(1, 2, 2)
                                   .fragments({bytes_of({1, 2}), bytes_of({3, 4})}, {0, 999}));
  EXPECT_THAT(stored_values(odd), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(odd.warnings, Contains(HasSubstr("offset table does not match")));
}

}  // namespace
}  // namespace salus::test
