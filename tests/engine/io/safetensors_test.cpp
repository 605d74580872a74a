#include "engine/io/safetensors.h"

#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/numbers.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string golden(const std::string& name) { return data_path("weights/" + name); }

// A safetensors file of `header` and `data` zero bytes.
std::string file_of(const TemporaryFolder& folder, const std::string& header, std::size_t data) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i));
  write_text(folder.path("a.safetensors"), text + header + std::string(data, '\0'));
  return folder.path("a.safetensors");
}

NamedArrays read_of(const std::string& header, std::size_t data) {
  const TemporaryFolder folder;
  return read_safetensors(file_of(folder, header, data));
}

TEST(SafetensorsTest, ReadsTheReferenceLibrarysFile) {
  std::map<std::string, std::string> metadata;
  const NamedArrays arrays = read_safetensors(golden("views.safetensors"), &metadata);
  EXPECT_EQ(metadata.at("made by"), "torch");
  EXPECT_THAT(arrays.at("transposed").shape, ElementsAre(6, 4));
  EXPECT_THAT(arrays.at("scalar").shape, IsEmpty());
  EXPECT_THAT(arrays.at("empty").shape, ElementsAre(0, 5));
  EXPECT_THAT(arrays.at("empty").bytes, IsEmpty());
  float values[2];
  std::memcpy(values, arrays.at("expanded").bytes.data(), sizeof values);
  EXPECT_EQ(values[0], 1.5f);
  EXPECT_EQ(values[1], -2.0f);
}

TEST(SafetensorsTest, WritesWhatItReads) {
  const TemporaryFolder folder;
  for (const char* name : {"views.safetensors", "dtypes.safetensors"}) {
    std::map<std::string, std::string> metadata, again;
    const NamedArrays arrays = read_safetensors(golden(name), &metadata);
    write_safetensors(folder.path("a"), arrays, metadata);
    const NamedArrays copy = read_safetensors(folder.path("a"), &again);
    EXPECT_EQ(again, metadata);
    ASSERT_EQ(copy.size(), arrays.size());
    for (const auto& [key, array] : arrays) {
      EXPECT_EQ(copy.at(key).dtype, array.dtype) << key;
      EXPECT_EQ(copy.at(key).shape, array.shape) << key;
      EXPECT_EQ(copy.at(key).bytes, array.bytes) << key;
    }
  }
}

TEST(SafetensorsTest, AlignsTheDataAndEveryEntryToItsValues) {
  const TemporaryFolder folder;
  const NamedArrays arrays = {{"a", {"U8", {3}, std::vector<std::byte>(3)}},
                              {"b", {"F64", {1}, std::vector<std::byte>(8)}},
                              {"c", {"F16", {1}, std::vector<std::byte>(2)}}};
  write_safetensors(folder.path("x"), arrays);
  const std::string text = read_text(folder.path("x"));
  const auto header = load_le<std::uint64_t>(std::as_bytes(std::span(text.data(), 8)), 0);
  EXPECT_EQ((8 + header) % 64, 0u);
  EXPECT_EQ(text.size(), 8 + header + 13);
  EXPECT_THAT(
      text, AllOf(HasSubstr("\"data_offsets\":[0,8]"), HasSubstr("[8,10]"), HasSubstr("[10,13]")));
}

TEST(SafetensorsTest, TheSameArraysGiveTheSameBytes) {
  const TemporaryFolder folder;
  const NamedArrays arrays = read_safetensors(golden("dtypes.safetensors"));
  write_safetensors(folder.path("a"), arrays);
  write_safetensors(folder.path("b"), read_safetensors(folder.path("a")));
  EXPECT_EQ(read_file(folder.path("a")), read_file(folder.path("b")));
}

TEST(SafetensorsTest, ReadsAnEmptyFileOfNoEntries) {
  EXPECT_TRUE(read_of("{}", 0).empty());
  EXPECT_TRUE(read_of("{\"__metadata__\":{\"a\":\"b\"}}   ", 0).empty());
}

TEST(SafetensorsTest, RefusesToWriteWhatDoesNotFit) {
  const TemporaryFolder folder;
  const NamedArrays wrong_size = {{"w", {"F32", {2}, std::vector<std::byte>(7)}}};
  SALUS_EXPECT_ERROR(write_safetensors(folder.path("a"), wrong_size), HasSubstr("entry w"));
  const NamedArrays wrong_type = {{"w", {"F31", {0}, {}}}};
  SALUS_EXPECT_ERROR(write_safetensors(folder.path("a"), wrong_type), HasSubstr("F31"));
  EXPECT_TRUE(folder.names().empty());
}

TEST(SafetensorsTest, NamesFileAndEntryInEveryRefusal) {
  const TemporaryFolder folder;
  const std::string path =
      file_of(folder, R"({"layer.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", 9);
  SALUS_EXPECT_ERROR(read_safetensors(path),
                     AllOf(HasSubstr("a.safetensors"), HasSubstr("layer.weight")));
}

TEST(SafetensorsTest, RefusesDamagedHeaders) {
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& at) {
    return "{\"w\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + at +
           "}}";
  };
  EXPECT_EQ(read_of(entry("F32", "[2]", "[0,8]"), 8).size(), 1u);
  const std::pair<std::string, const char*> cases[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {"[]", "not a JSON object"},
      {"{\"w\":3}", "no dtype"},
      {"{\"__metadata__\":{\"a\":1}}", "not text"},
      {"{\"__metadata__\":[]}", "metadata"},
      {entry("F31", "[2]", "[0,8]"), "F31"},
      {entry("F32", "[-2]", "[0,8]"), "whole numbers"},
      {entry("F32", "[2.5]", "[0,8]"), "whole numbers"},
      {entry("F32", "3", "[0,8]"), "whole numbers"},
      {entry("F32", "[2]", "[0,8,9]"), "outside"},
      {entry("F32", "[2]", "[8,0]"), "outside"},
      {entry("F32", "[3]", "[0,12]"), "outside"},
      {entry("F32", "[1]", "[0,8]"), "do not fit"},
      {entry("F32", "[4611686018427387904,4611686018427387904]", "[0,8]"), "do not fit"},
      {entry("F32", "[1]", "[0,4]"), "after its last entry"},
      {entry("F32", "[1]", "[4,8]"), "should follow"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},
           "b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       "should follow"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
           "a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       "twice"}};
  for (const auto& [header, reason] : cases) {
    SALUS_EXPECT_ERROR(read_of(header, 8), HasSubstr(reason)) << header;
  }
}

TEST(SafetensorsTest, RefusesClaimsLongerThanTheFile) {
  const TemporaryFolder folder;
  write_text(folder.path("short"), "1234567");
  SALUS_EXPECT_ERROR(read_safetensors(folder.path("short")), HasSubstr("shorter"));
  write_text(folder.path("long"), std::string(7, '\xff') + "\x7f{}");
  SALUS_EXPECT_ERROR(read_safetensors(folder.path("long")), HasSubstr("claims a header"));
}

TEST(SafetensorsTest, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  const auto whole = read_file(golden("dtypes.safetensors"));
  for (std::size_t size = 0; size < whole.size(); size += 5) {
    test::write_test_file(folder.path("part"),
                          {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_THROW(read_safetensors(folder.path("part")), Error) << size;
  }
}

TEST(SafetensorsFuzzTest, NeverCrashesHangsOrFillsMemory) {
  const auto seed = test::read_test_file(golden("dtypes.safetensors"));
  const auto make = [&](test::Rng& rng) {
    test::Bytes bytes = seed;
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto report = test::run_fuzz("safetensors", test::fuzz_options(), make,
                                     [](const std::string& path) { read_safetensors(path); });
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
}

}  // namespace
}  // namespace salus::io
