#include "engine/similar/manifest.h"

#include "tests/engine/similar/similar_support.h"

namespace salus::similar {
namespace {

using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

Manifest full_manifest() {
  Manifest manifest;
  manifest.generation = 7;
  manifest.metric = kernels::Metric::kL2;
  manifest.dtype = at::kChar;
  manifest.originals = true;
  manifest.dim = 2;
  manifest.ids = IdKind::kText;
  manifest.next_id = 12;
  manifest.id_column = "pid";
  manifest.columns = {"a", "b"};
  manifest.mean = {0.1, -3};
  manifest.deviation = {1e-9, 7.25};
  manifest.attributes = {{"site", AttributeKind::kText}, {"age", AttributeKind::kNumber}};
  manifest.segments = {{"segment-3.rows", 10, "alive-7-0.bits", 4}, {"segment-5.rows", 1, "", 0}};
  return manifest;
}

/// Replaces `from` in the manifest of `folder` by `to`.
void edit(const TemporaryFolder& folder, const std::string& from, const std::string& to) {
  std::string text = io::read_text(folder.path(kManifestFile));
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  io::write_text(folder.path(kManifestFile), text.replace(at, from.size(), to));
}

TEST(ManifestTest, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  write_manifest(folder.path(), full_manifest());
  const Manifest read = read_manifest(folder.path());
  EXPECT_EQ(read.generation, 7);
  EXPECT_EQ(read.metric, kernels::Metric::kL2);
  EXPECT_EQ(read.dtype, at::kChar);
  EXPECT_TRUE(read.originals);
  EXPECT_EQ(read.dim, 2);
  EXPECT_EQ(read.ids, IdKind::kText);
  EXPECT_FALSE(read.numbered);
  EXPECT_EQ(read.next_id, 12);
  EXPECT_EQ(read.id_column, "pid");
  EXPECT_EQ(read.columns, full_manifest().columns);
  EXPECT_EQ(read.mean, full_manifest().mean);
  EXPECT_EQ(read.deviation, full_manifest().deviation);
  ASSERT_EQ(read.attributes.size(), 2u);
  EXPECT_EQ(read.attributes[0].name, "site");
  EXPECT_EQ(read.attributes[1].kind, AttributeKind::kNumber);
  ASSERT_EQ(read.segments.size(), 2u);
  EXPECT_EQ(read.segments[0].alive, "alive-7-0.bits");
  EXPECT_EQ(read.rows(), 11);
  EXPECT_EQ(read.deleted(), 4);
}

TEST(ManifestTest, RefusesAFutureVersion) {
  const TemporaryFolder folder;
  write_manifest(folder.path(), full_manifest());
  edit(folder, "\"version\": 1", "\"version\": 2");
  SALUS_EXPECT_ERROR(read_manifest(folder.path()),
                     AllOf(HasSubstr("is of version 2"), HasSubstr("knows up to 1")));
}

TEST(ManifestTest, RefusesAChangedValue) {
  const TemporaryFolder folder;
  write_manifest(folder.path(), full_manifest());
  edit(folder, "\"dim\": 2", "\"dim\": 3");
  SALUS_EXPECT_ERROR(read_manifest(folder.path()), HasSubstr("is damaged"));
}

TEST(ManifestTest, RefusesATruncatedFile) {
  const TemporaryFolder folder;
  write_manifest(folder.path(), full_manifest());
  const std::string text = io::read_text(folder.path(kManifestFile));
  for (const std::size_t size : {std::size_t{0}, text.size() / 2, text.size() - 3}) {
    io::write_text(folder.path(kManifestFile), text.substr(0, size));
    SALUS_EXPECT_ERROR(read_manifest(folder.path()), HasSubstr("is damaged"));
  }
}

TEST(ManifestTest, RefusesWhatIsNoIndex) {
  const TemporaryFolder folder;
  SALUS_EXPECT_ERROR(read_manifest(folder.path("nothing")), HasSubstr("is not a folder"));
  SALUS_EXPECT_ERROR(read_manifest(folder.path()), HasSubstr("it has no index.json"));
  io::write_text(folder.path(kManifestFile), "[1, 2]");
  SALUS_EXPECT_ERROR(read_manifest(folder.path()), HasSubstr("is not the manifest"));
}

// With a checksum that fits, so that nothing but these checks stands before the reader.
class ImpossibleManifestTest : public ::testing::TestWithParam<int> {};

TEST_P(ImpossibleManifestTest, IsRefused) {
  Manifest manifest = full_manifest();
  switch (GetParam()) {
    case 0:
      manifest.dim = 0;
      break;
    case 1:
      manifest.dim = kernels::kLargestSimilarityDim + 1;
      break;
    case 2:
      manifest.segments[0].file = "../../etc/passwd";
      break;
    case 3:
      manifest.segments[1].file = manifest.segments[0].file;
      break;
    case 4:
      manifest.segments[0].rows = std::int64_t{1} << 62;
      break;
    case 5:
      manifest.segments[0].deleted = 11;
      break;
    case 6:
      manifest.segments[0].alive = "";
      break;
    case 7:
      manifest.mean.pop_back();
      break;
    case 8:
      manifest.deviation[0] = 0;
      break;
    case 9:
      manifest.columns.pop_back();
      break;
    case 10:
      manifest.generation = 0;
      break;
  }
  const TemporaryFolder folder;
  write_manifest(folder.path(), manifest);
  SALUS_EXPECT_ERROR(read_manifest(folder.path()), HasSubstr("is damaged"));
}

INSTANTIATE_TEST_SUITE_P(Cases, ImpossibleManifestTest, ::testing::Range(0, 11));

TEST(ManifestTest, AnUnknownAttributeIsAnsweredWithTheNearestOne) {
  EXPECT_EQ(full_manifest().attribute("age"), 1u);
  SALUS_EXPECT_ERROR(full_manifest().attribute("sit"), HasSubstr("did you mean \"site\"?"));
  SALUS_EXPECT_ERROR(full_manifest().attribute("ward"), HasSubstr("it has site, age"));
  SALUS_EXPECT_ERROR(Manifest().attribute("site"), HasSubstr("nor any other"));
}

TEST(ManifestTest, NamesOfDataFilesAreAPatternOfTheirOwn) {
  EXPECT_TRUE(is_data_file("segment-12.rows"));
  EXPECT_TRUE(is_data_file("alive-12-3.bits"));
  for (const char* name : {"segment-.rows", "segment-1.bits", "segment-1/2.rows", "lock",
                           "index.json", "segment-a.rows", "/segment-1.rows", "alive-1.bits.old"}) {
    EXPECT_FALSE(is_data_file(name)) << name;
  }
}

TEST(ManifestTest, NamesOfMetricsAndTypesAreRead) {
  EXPECT_EQ(parse_metric("ip"), kernels::Metric::kInnerProduct);
  EXPECT_EQ(parse_dtype("int8"), at::kChar);
  SALUS_EXPECT_ERROR(parse_metric("dot"), HasSubstr("choose one of cosine, ip, l2"));
  SALUS_EXPECT_ERROR(parse_dtype("int4"), HasSubstr("choose one of f32, f16, bf16, int8"));
}

}  // namespace
}  // namespace salus::similar
