#include "engine/io/npy.h"

#include <cmath>
#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/zip.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NpyArray golden(const std::string& name) { return read_npy(data_path("arrays/" + name + ".npy")); }

void expect_ramp(const NpyArray& array, const std::string& name) {
  EXPECT_THAT(array.shape, ElementsAre(2, 3, 4)) << name;
  ASSERT_EQ(array.count(), 24) << name;
  for (std::int64_t i = 0; i < 24; ++i) EXPECT_EQ(array.at(i), static_cast<double>(i)) << name;
}

class NpyGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NpyGoldenTest, ReadsTheRampInRowMajorNativeOrder) {
  const NpyArray array = golden(GetParam());
  expect_ramp(array, GetParam());
  EXPECT_NE(array.dtype[0], '>');
}

INSTANTIATE_TEST_SUITE_P(Files, NpyGoldenTest,
                         ::testing::Values("u1", "i1", "little_u2", "little_i2", "little_u4",
                                           "little_i4", "little_u8", "little_i8", "little_f2",
                                           "little_f4", "little_f8", "big_i2", "big_f4", "big_f8",
                                           "big_u8", "fortran", "big_fortran", "version1",
                                           "version2", "version3"));

TEST(NpyTest, ReadsScalarsEmptyArraysAndBooleans) {
  const NpyArray scalar = golden("scalar");
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.at(0), 2.5);
  const NpyArray empty = golden("empty");
  EXPECT_THAT(empty.shape, ElementsAre(0, 3));
  EXPECT_EQ(empty.count(), 0);
  EXPECT_THROW(empty.at(0), Error);
  EXPECT_EQ(golden("bool").at(0), 1);
  EXPECT_EQ(golden("bool").at(1), 0);
}

TEST(NpyTest, ReadsHalfPrecisionAtItsEdges) {
  const std::uint16_t bits[] = {0x0001, 0x8000, 0x3c00, 0x7bff, 0xfc00, 0x7e00};
  NpyArray array{"<f2", {6}, std::vector<std::byte>(12)};
  std::memcpy(array.bytes.data(), bits, 12);
  EXPECT_EQ(array.at(0), std::ldexp(1.0, -24));
  EXPECT_TRUE(std::signbit(array.at(1)));
  EXPECT_EQ(array.at(2), 1);
  EXPECT_EQ(array.at(3), 65504);
  EXPECT_EQ(array.at(4), -INFINITY);
  EXPECT_TRUE(std::isnan(array.at(5)));
}

TEST(NpyTest, TextAndComplexHaveNoRealNumbers) {
  EXPECT_EQ(golden("text").dtype, "<U2");
  SALUS_EXPECT_ERROR(golden("text").at(0), HasSubstr("<U2"));
  SALUS_EXPECT_ERROR(golden("complex").at(0), HasSubstr("<c16"));
}

TEST(NpyTest, RefusesAnIndexOutside) {
  SALUS_EXPECT_ERROR(golden("u1").at(24), HasSubstr("24"));
  SALUS_EXPECT_ERROR(golden("u1").at(-1), HasSubstr("-1"));
}

TEST(NpyTest, RefusesPickledObjectsAndRecords) {
  SALUS_EXPECT_ERROR(golden("objects"), AllOf(HasSubstr("objects.npy"), HasSubstr("never run")));
  SALUS_EXPECT_ERROR(golden("records"), HasSubstr("records"));
}

TEST(NpyTest, RefusesWhatIsNoNumpyFile) {
  SALUS_EXPECT_ERROR(read_npy(data_path("images/gray8.png")), HasSubstr("not a NumPy file"));
}

TEST(NpyTest, RefusesEveryTruncationAndExtraBytes) {
  const auto whole = read_file(data_path("arrays/little_f4.npy"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(parse_npy(std::span(whole).first(size), "part"), Error) << size;
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  SALUS_EXPECT_ERROR(parse_npy(longer, "longer"), HasSubstr("97 bytes"));
}

NpyArray parse_header(const std::string& dictionary) {
  std::string text = std::string("\x93NUMPY\1\0", 8) + static_cast<char>(dictionary.size()) + '\0';
  text += dictionary;
  return parse_npy(std::as_bytes(std::span(text.data(), text.size())), "header");
}

TEST(NpyTest, RefusesDamagedHeaders) {
  EXPECT_EQ(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }").count(), 0);
  EXPECT_EQ(parse_header("{'shape':(0L,2),'descr':\"=f4\",'fortran_order':True}").count(), 0);
  for (const char* bad :
       {"", "[]", "{", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 1, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} trailing",
        "{'descr': '<f3', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), 'x': 'y'}"}) {
    EXPECT_THROW(parse_header(bad), Error) << bad;
  }
}

TEST(NpyTest, WritesWhatItReads) {
  const TemporaryFolder folder;
  const NpyArray array = golden("little_f8");
  write_npy(folder.path("a.npy"), array.dtype, array.shape, array.bytes);
  expect_ramp(read_npy(folder.path("a.npy")), "written");
  write_npy(folder.path("s.npy"), "<f8", {}, std::span(array.bytes).first(8));
  EXPECT_TRUE(read_npy(folder.path("s.npy")).shape.empty());
  write_npy(folder.path("e.npy"), "|u1", {0}, {});
  EXPECT_EQ(read_npy(folder.path("e.npy")).count(), 0);
}

TEST(NpyTest, WritesTheBytesOfNumpyItself) {
  const TemporaryFolder folder;
  for (const char* name : {"u1", "little_i2", "little_f8"}) {
    const NpyArray array = golden(name);
    write_npy(folder.path("a.npy"), array.dtype, array.shape, array.bytes);
    EXPECT_EQ(read_file(folder.path("a.npy")),
              read_file(data_path(std::string("arrays/") + name + ".npy")));
  }
}

TEST(NpyTest, RefusesToWriteBytesThatDoNotFit) {
  const TemporaryFolder folder;
  const std::vector<std::byte> bytes(7);
  SALUS_EXPECT_ERROR(write_npy(folder.path("a.npy"), "<f4", {2}, bytes), HasSubstr("7 bytes"));
  SALUS_EXPECT_ERROR(write_npy(folder.path("a.npy"), "float", {2}, bytes), HasSubstr("float"));
  EXPECT_TRUE(folder.names().empty());
}

class NpzGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NpzGoldenTest, ReadsEveryArrayByName) {
  const auto arrays = read_npz(data_path(std::string("arrays/") + GetParam()));
  ASSERT_EQ(arrays.size(), 2u);
  expect_ramp(arrays.at("a"), "a");
  expect_ramp(arrays.at("b"), "b");
  EXPECT_EQ(arrays.at("b").dtype, "<f4");
}

TEST_P(NpzGoldenTest, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  const auto whole = read_file(data_path(std::string("arrays/") + GetParam()));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    test::write_test_file(folder.path("part.npz"),
                          {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_THROW(read_npz(folder.path("part.npz")), Error) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, NpzGoldenTest,
                         ::testing::Values("stored.npz", "deflated.npz", "descriptors.npz",
                                           "zip64.npz"));

TEST(NpzTest, ReadsPneumoniaMnist) {
  const auto arrays = read_npz(data_path("pneumoniamnist/pneumoniamnist.npz"));
  EXPECT_THAT(arrays.at("train_images").shape, ElementsAre(4708, 28, 28));
  EXPECT_THAT(arrays.at("test_labels").shape, ElementsAre(624, 1));
  double positive = 0;
  for (std::int64_t i = 0; i < 624; ++i) positive += arrays.at("test_labels").at(i);
  EXPECT_EQ(positive, 390);  // MedMNIST v2: 234 normal, 390 pneumonia
}

TEST(NpzTest, RefusesAWrongChecksum) {
  const TemporaryFolder folder;
  auto bytes = read_file(data_path("arrays/stored.npz"));
  bytes[200] ^= std::byte{1};
  write_file(folder.path("a.npz"), bytes);
  SALUS_EXPECT_ERROR(read_npz(folder.path("a.npz")),
                     AllOf(HasSubstr("checksum"), HasSubstr("a.npy")));
}

TEST(NpzTest, RefusesAnArchiveOfOtherThings) {
  SALUS_EXPECT_ERROR(read_npz(data_path("weights/little.pt")), HasSubstr("not an array"));
}

// Puts `value` over the 32-bit field at `offset` of the first central directory entry.
std::string with_central_field(const TemporaryFolder& folder, std::size_t offset,
                               std::uint32_t value) {
  auto bytes = read_file(data_path("arrays/deflated.npz"));
  for (std::size_t i = 0; i + 4 < bytes.size(); ++i) {
    if (std::memcmp(bytes.data() + i, "PK\1\2", 4) != 0) continue;
    std::memcpy(bytes.data() + i + offset, &value, 4);
    break;
  }
  write_file(folder.path("a.npz"), bytes);
  return folder.path("a.npz");
}

TEST(NpzTest, RefusesASizeThatDeflateCannotReach) {
  const TemporaryFolder folder;
  SALUS_EXPECT_ERROR(read_npz(with_central_field(folder, 24, 0xfffffff0)), HasSubstr("claims"));
}

TEST(NpzTest, RefusesEncryptedEntriesAndOtherMethods) {
  const TemporaryFolder folder;
  SALUS_EXPECT_ERROR(read_npz(with_central_field(folder, 8, 8 << 16 | 1)), HasSubstr("encrypted"));
  SALUS_EXPECT_ERROR(read_npz(with_central_field(folder, 8, 12 << 16)), HasSubstr("method 12"));
}

test::Bytes zip_or_npy(const std::vector<test::Bytes>& seeds, test::Rng& rng) {
  test::Bytes bytes = seeds[test::below(rng, seeds.size())];
  test::mutate(bytes, rng);
  return bytes;
}

TEST(NpyFuzzTest, NeverCrashesHangsOrFillsMemory) {
  std::vector<test::Bytes> seeds;
  for (const char* name : {"fortran", "big_f4", "version2", "version3", "text", "scalar"}) {
    seeds.push_back(test::read_test_file(data_path(std::string("arrays/") + name + ".npy")));
  }
  const auto consume = [](const std::string& path) {
    const NpyArray array = read_npy(path);
    if (array.count() > 0 && array.dtype[1] != 'U' && array.dtype[1] != 'c')
      array.at(array.count() - 1);
  };
  const auto report = test::run_fuzz(
      "npy", test::fuzz_options(), [&](test::Rng& rng) { return zip_or_npy(seeds, rng); }, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
}

TEST(NpzFuzzTest, NeverCrashesHangsOrFillsMemory) {
  std::vector<test::Bytes> seeds;
  for (const char* name : {"stored.npz", "deflated.npz", "descriptors.npz", "zip64.npz"}) {
    seeds.push_back(test::read_test_file(data_path(std::string("arrays/") + name)));
  }
  const auto report = test::run_fuzz(
      "npz", test::fuzz_options(), [&](test::Rng& rng) { return zip_or_npy(seeds, rng); },
      [](const std::string& path) { read_npz(path); });
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.refused, 0);
}

}  // namespace
}  // namespace salus::io
