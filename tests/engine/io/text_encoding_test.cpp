#include "engine/io/text_encoding.h"

#include <gtest/gtest.h>

#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::decode_text;
using io::valid_utf8;

TEST(TextEncodingTest, DecodesTheCharacterSetsOfDicom) {
  EXPECT_EQ(decode_text("M\xFCller", "ISO_IR 100"), "Müller");
  EXPECT_EQ(decode_text("M\xFCller", "ISO 2022 IR 100"), "Müller");
  EXPECT_EQ(decode_text("Dvo\xF8\xE1k", "ISO_IR 101"), "Dvořák");
  EXPECT_EQ(decode_text("\xBB\xEE\xDA", "ISO_IR 144"), "Люк");
  EXPECT_EQ(decode_text("Wang^\xCD\xF5", "GB18030"), "Wang^王");
  EXPECT_EQ(decode_text("Müller", "ISO_IR 192"), "Müller");
}

TEST(TextEncodingTest, ReadsUnknownAndAbsentSetsAsUtf8) {
  EXPECT_EQ(decode_text("Müller", ""), "Müller");
  EXPECT_EQ(decode_text("Müller", "ISO_IR 9999"), "Müller");
  EXPECT_EQ(decode_text("plain", "ISO_IR 6"), "plain");
}

TEST(TextEncodingTest, PutsAReplacementForEveryByteThatIsNoText) {
  EXPECT_EQ(valid_utf8("M\xFCller"), "M\xEF\xBF\xBDller");
  EXPECT_EQ(valid_utf8("end\xC3"), "end\xEF\xBF\xBD");
  const std::string many = valid_utf8(std::string(1000, '\xFC'));
  EXPECT_EQ(many.size(), 3000u);
  EXPECT_EQ(many.substr(2997), "\xEF\xBF\xBD");
}

TEST(TextEncodingTest, NamesAndExplanationsOfAFileAreUtf8) {
  const TemporaryFolder folder;
  const DicomBuilder builder = DicomBuilder()
                                   .text(0x00080005, "CS", "ISO_IR 100")
                                   .text(0x00080070, "LO", "Ger\xE4te AG")
                                   .text(0x00100010, "PN", "M\xFCller")
                                   .text(0x00281050, "DS", "40\\50")
                                   .text(0x00281051, "DS", "400\\500")
                                   .text(0x00281055, "LO",
                                         "Weichteil\\Sch\xE4"
                                         "del")
                                   .pixels8({0, 1, 2, 3, 4, 5});
  write_test_file(folder.path("file"), builder.build());
  const io::Image image = io::read_dicom(folder.path("file"));
  EXPECT_EQ(image.manufacturer, "Geräte AG");
  EXPECT_EQ(image.gray.at(0).windows.at(1).explanation, "Schädel");
  EXPECT_EQ(io::read_dicom_identities(folder.path("file")).patient_name, "Müller");
}

}  // namespace
}  // namespace salus::test
