// Encodings and structure: the same image however its data set is written.
#include "engine/io/dicom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "engine/io/error.h"
#include "tests/support/dicom_files.h"

namespace salus::test {
namespace {

using io::Image;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<int> kSix = {1, 2, 3, 4, 5, 250};

void expect_six(const Image& image) {
  EXPECT_EQ(image.pixels.rows, 2);
  EXPECT_EQ(image.pixels.columns, 3);
  EXPECT_THAT(stored_values(image), ElementsAre(1, 2, 3, 4, 5, 250));
}

TEST(DicomTest, ReadsEveryUncompressedEncoding) {
  for (const char* syntax : {DicomBuilder::kImplicit, DicomBuilder::kExplicit,
                             DicomBuilder::kBigEndian, DicomBuilder::kDeflated}) {
    SCOPED_TRACE(syntax);
    const Image image = read_built(DicomBuilder(syntax).pixels8(kSix));
    expect_six(image);
    EXPECT_EQ(image.transfer_syntax, syntax);
    EXPECT_THAT(image.warnings, IsEmpty());
  }
}

TEST(DicomTest, ReadsFilesWithoutPreambleAndWithoutMeta) {
  expect_six(read_built(DicomBuilder().pixels8(kSix).without_preamble()));
  for (const char* syntax :
       {DicomBuilder::kImplicit, DicomBuilder::kExplicit, DicomBuilder::kBigEndian}) {
    SCOPED_TRACE(syntax);
    const Image image =
        read_built(DicomBuilder(syntax).text(0x00080060, "CS", "CT").pixels8(kSix).without_meta());
    expect_six(image);
    EXPECT_EQ(image.modality, "CT");
    EXPECT_THAT(image.warnings, Contains(HasSubstr("names no transfer syntax")));
  }
}

TEST(DicomTest, ReadsADataSetThatContradictsItsTransferSyntax) {
  const Image implicit =
      read_built(DicomBuilder().encode_as(false, false).text(0x00080060, "CS", "MR").pixels8(kSix));
  expect_six(implicit);
  EXPECT_THAT(implicit.warnings, Contains(HasSubstr("is implicit VR little endian although")));
  const Image little = read_built(DicomBuilder(DicomBuilder::kBigEndian)
                                      .encode_as(true, false)
                                      .text(0x00080060, "CS", "MR")
                                      .pixels8(kSix));
  expect_six(little);
}

TEST(DicomTest, InflatesZlibStreamsAndIgnoresWhatFollows) {
  const DicomBuilder plain = DicomBuilder().pixels8(kSix);
  Bytes file = DicomBuilder(DicomBuilder::kDeflated).item().build();  // header and empty stream
  const Bytes whole = plain.build(), head = DicomBuilder().item().build();
  const Bytes data(whole.begin() + static_cast<std::ptrdiff_t>(head.size()), whole.end());
  file.resize(file.size() - deflated({}).size());
  const Bytes stream = deflated(data, 15);
  file.insert(file.end(), stream.begin(), stream.end());
  file.insert(file.end(), 7, std::byte{0x55});
  expect_six(read_built(file));
}

TEST(DicomTest, TakesTheLastOfDuplicateElements) {
  Bytes file = DicomBuilder().text(0x00080060, "CS", "CT").pixels8(kSix).build();
  const Bytes second = DicomBuilder().item().text(0x00080060, "CS", "MR").build();
  const Bytes empty = DicomBuilder().item().build();
  const std::size_t at = empty.size() + 10;  // after the first Modality
  file.insert(file.begin() + static_cast<std::ptrdiff_t>(at),
              second.begin() + static_cast<std::ptrdiff_t>(empty.size()), second.end());
  EXPECT_EQ(read_built(file).modality, "MR");
}

TEST(DicomTest, WalksOverPrivateAndNestedSequences) {
  const DicomBuilder file;
  DicomBuilder inner = file.item().words(0x00280010, "US", {9}).text(0x00091001, "LO", "private");
  for (int depth = 0; depth < 20; ++depth) {
    inner = file.item().sequence(0x00091010, {inner, inner.item()}, depth % 2 == 0);
  }
  for (const bool undefined : {false, true}) {
    expect_six(read_built(DicomBuilder()
                              .sequence(0x00091011, {inner}, undefined)
                              .sequence(0x00880200, {inner, inner}, undefined)
                              .pixels8(kSix)));
  }
}

TEST(DicomTest, ReadsUnknownSequencesAsImplicit) {
  // Undefined length and VR UN: implicit little endian inside an explicit data set.
  const DicomBuilder implicit =
      DicomBuilder(DicomBuilder::kImplicit).item().text(0x00091001, "LO", "abcd");
  Bytes items;
  for (const auto& piece : {bytes_of({0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF}),
                            bytes_of({0x09, 0x00, 0x01, 0x10, 4, 0, 0, 0, 'a', 'b', 'c', 'd'}),
                            bytes_of({0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0}),
                            bytes_of({0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0})}) {
    items.insert(items.end(), piece.begin(), piece.end());
  }
  expect_six(read_built(DicomBuilder().lying(0x00091010, "UN", 0xFFFFFFFF, items).pixels8(kSix)));
}

TEST(DicomTest, ReadsUnknownSequencesThatAreExplicit) {
  for (const bool undefined : {false, true}) {
    const DicomBuilder file = DicomBuilder().pixels8(kSix);
    const DicomBuilder table =
        file.item().words(0x00283002, "US", {2, 0, 16}).words(0x00283006, "US", {7, 9});
    const Image image =
        read_built(DicomBuilder(file).sequence(0x00283000, {table}, undefined, "UN"));
    expect_six(image);
    EXPECT_THAT(image.gray.at(0).modality_lut->entries, ElementsAre(7, 9));
  }
  const DicomBuilder inner =
      DicomBuilder().item().text(0x00091002, "LO", "abcd").bytes(0x00091003, "OB", Bytes(300));
  expect_six(read_built(
      DicomBuilder().sequence(0x00091010, {inner.item(), inner}, true, "UN").pixels8(kSix)));
}

TEST(DicomTest, ReadsRepresentationsThatDoNotExistWithShortLengths) {
  for (const std::string& vr : {std::string("??"), std::string("  "), std::string(2, '\0'),
                                std::string("ox"), std::string("Lo")}) {
    SCOPED_TRACE(vr);
    const auto file = [&] {
      return DicomBuilder()
          .bytes(0x00091001, vr, bytes_of({'a', 'b', 'c', 'd'}))
          .bytes(0x00091002, vr, bytes_of({'e', 'f'}))
          .bytes(0x00280010, vr, bytes_of({2, 0}))
          .pixels8(kSix);
    };
    const Image first = read_built(file()), later = read_built(file().text(0x00080060, "CS", "MR"));
    expect_six(first);
    expect_six(later);
    EXPECT_THAT(first.warnings, ElementsAre(HasSubstr("representation that does not exist")));
    EXPECT_THAT(later.warnings, ElementsAre(HasSubstr("representation that does not exist")));
  }
}

TEST(DicomTest, ReadsImplicitElementsWhoseLengthLooksLikeLetters) {
  // The bytes of "bo" and two NULs are the length 28514.
  const Image image = read_built(DicomBuilder()
                                     .text(0x00080060, "CS", "MR")
                                     .lying(0x00091001, "bo", 0, Bytes(28514))
                                     .pixels8(kSix));
  expect_six(image);
  EXPECT_THAT(image.warnings, ElementsAre(HasSubstr("read as implicit")));
}

TEST(DicomTest, ToleratesOddRepresentationsAndLengths) {
  expect_six(read_built(DicomBuilder()
                            .bytes(0x00091001, "ZZ", bytes_of({1, 2, 3, 4}))
                            .bytes(0x00091002, "LO", bytes_of({'o', 'd', 'd'}))
                            .bytes(0x00280010, "UN", bytes_of({2, 0}))
                            .text(0x00080005, "CS", "")
                            .pixels8(kSix, "UN")));
}

TEST(DicomTest, ReadsAnUnsortedDataSet) {
  const Bytes head = DicomBuilder().item().build();
  const auto data = [&](const DicomBuilder& builder) {
    const Bytes whole = builder.build();
    return Bytes(whole.begin() + static_cast<std::ptrdiff_t>(head.size()), whole.end());
  };
  const Bytes pixels = data(DicomBuilder().item().pixels8(kSix)), rest = data(DicomBuilder());
  Bytes file = head;
  file.insert(file.end(), pixels.begin(), pixels.end());
  file.insert(file.end(), rest.begin(), rest.end());
  expect_six(read_built(file));
}

TEST(DicomTest, KeepsExplicitEncodingBehindAnUnknownFirstRepresentation) {
  expect_six(read_built(DicomBuilder().bytes(0x00080001, "QQ", bytes_of({1, 2})).pixels8(kSix)));
}

TEST(DicomTest, SwapsOnlyWordsInTheSyntaxOfGe) {
  const auto ge = [] { return DicomBuilder("1.2.840.113619.5.2").encode_as(false, false); };
  expect_six(read_built(ge().pixels8(kSix)));
  const Image words =
      read_built(ge().size(1, 2).bits(16, 16, 15, false).pixels8({0x12, 0x34, 0, 1}));
  EXPECT_THAT(stored_values(words), ElementsAre(0x1234, 1));
}

TEST(DicomTest, SkipsEncapsulatedIcons) {
  const DicomBuilder icon = DicomBuilder().fragments({bytes_of({1, 2, 3, 4})});
  expect_six(read_built(DicomBuilder().sequence(0x00880200, {icon}, true).pixels8(kSix)));
}

TEST(DicomTest, HeaderReadingNeedsNoPixels) {
  const TemporaryFolder folder;
  write_test_file(folder.path("f"), DicomBuilder().pixels8(kSix).build());
  const Image header = io::read_dicom_header(folder.path("f"));
  EXPECT_EQ(header.pixels.bytes, nullptr);
  EXPECT_EQ(header.pixels.columns, 3);
}

TEST(DicomTest, GivesIdentitiesOnlyWhenAsked) {
  const TemporaryFolder folder;
  write_test_file(folder.path("f"), DicomBuilder()
                                        .text(0x00100010, "PN", "Name^Given")
                                        .text(0x00100020, "LO", "id-1")
                                        .text(0x0020000E, "UI", "1.2.3")
                                        .pixels8(kSix)
                                        .build());
  const io::DicomIdentities identities = io::read_dicom_identities(folder.path("f"));
  EXPECT_EQ(identities.patient_name, "Name^Given");
  EXPECT_EQ(identities.patient_id, "id-1");
  EXPECT_EQ(identities.series_uid, "1.2.3");
}

TEST(DicomTest, KnowsDicomByContent) {
  const auto known = [](const Bytes& bytes) { return io::looks_like_dicom(bytes); };
  EXPECT_TRUE(known(DicomBuilder().pixels8(kSix).build()));
  EXPECT_TRUE(known(DicomBuilder().text(0x00080005, "CS", "ISO_IR 100").without_meta().build()));
  EXPECT_TRUE(known(DicomBuilder(DicomBuilder::kBigEndian)
                        .text(0x00080005, "CS", "ISO_IR 100")
                        .without_meta()
                        .build()));
  EXPECT_FALSE(known(text_bytes(std::string("\x89PNG\r\n\x1a\n"))));
  EXPECT_FALSE(known(text_bytes(std::string(200, 'x'))));
  EXPECT_FALSE(known({}));
}

TEST(DicomTest, NamesTransferSyntaxes) {
  EXPECT_EQ(io::transfer_syntax_name("1.2.840.10008.1.2.5"), "RLE Lossless");
  EXPECT_EQ(io::transfer_syntax_name("1.2.3"), "1.2.3");
}

TEST(DicomTest, ReadsInManyThreadsAtOnce) {
  const std::string path = data_path("dicom/codecs/CT1_JLSL.dcm");
  const Image alone = io::read_dicom(path);
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (std::size_t t = 0; t < equal.size(); ++t) {
    threads.emplace_back([&, t] {
      const Image image = io::read_dicom(path);
      const Image jpeg = io::read_dicom(data_path("dicom/codecs/CT1_JPLL.dcm"));
      equal[t] =
          *image.pixels.bytes == *alone.pixels.bytes && *jpeg.pixels.bytes == *alone.pixels.bytes;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, testing::Each(1));
}

}  // namespace
}  // namespace salus::test
