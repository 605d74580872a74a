#include "engine/similar/index.h"

#include <cmath>
#include <cstring>

#include "engine/similar/segment_layout.h"
#include "kernels/similarity.h"
#include "tests/engine/similar/similar_support.h"

namespace salus::similar {
namespace {

using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Kind {
  at::ScalarType dtype;
  kernels::Metric metric;
  bool originals;
};

class StoredRowsTest : public ::testing::TestWithParam<Kind> {};

// What stands in the file is what the operator would make of the rows in memory.
TEST_P(StoredRowsTest, AreWhatTheOperatorTakes) {
  const auto [dtype, metric, originals] = GetParam();
  const TemporaryFolder folder;
  for (const std::size_t count : {1, 255, 256, 257, 700}) {
    const Rows rows = random_rows(count, 33, 5);
    const std::string path = folder.path(fmt::format("index{}", count));
    IndexWriter::create(path, {metric, dtype, originals, false}, source_of(rows, names(count)),
                        false);
    const Index index = Index::open(path);
    index.verify();
    ASSERT_EQ(index.rows(), static_cast<std::int64_t>(count));
    const at::Tensor values = tensor_of(rows);
    at::Tensor stored = values.to(dtype), scales;
    if (dtype == at::kChar) {
      const auto quantized = kernels::similarity_quantize(values);
      stored = quantized.rows;
      scales = quantized.scales;
    }
    const bool keeps = originals && dtype != at::kFloat;
    const auto expected =
        kernels::similarity_prepare(stored, metric, scales, keeps ? values : at::Tensor());
    const auto found = index.parts()[0]->segment.similarity(0, index.rows());
    const auto same = [](const at::Tensor& a, const at::Tensor& b) {
      return a.defined() == b.defined() && (!a.defined() || a.equal(b));
    };
    EXPECT_EQ(found.metric, metric);
    EXPECT_TRUE(same(found.rows, expected.rows));
    EXPECT_TRUE(same(found.scales, expected.scales));
    EXPECT_TRUE(same(found.exact_rows, expected.exact_rows));
    EXPECT_TRUE(same(found.norms, expected.norms));
    EXPECT_TRUE(same(found.multipliers, expected.multipliers));
    EXPECT_TRUE(same(found.offsets, expected.offsets));
    EXPECT_TRUE(same(found.bounds, expected.bounds));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoredRowsTest,
                         ::testing::Values(Kind{at::kFloat, kernels::Metric::kCosine, false},
                                           Kind{at::kBFloat16, kernels::Metric::kCosine, false},
                                           Kind{at::kHalf, kernels::Metric::kL2, false},
                                           Kind{at::kBFloat16, kernels::Metric::kInnerProduct,
                                                true},
                                           Kind{at::kChar, kernels::Metric::kL2, true},
                                           Kind{at::kChar, kernels::Metric::kCosine, false}));

TEST(IndexTest, FindsTextIdsInAnyOrder) {
  const TemporaryFolder folder;
  const std::vector<std::string> ids = {"b", "a/long id, with a comma", "", "ä", "B", "a", "007"};
  auto source = source_of(random_rows(7, 3, 1), ids);
  source.ids[2] = "c";
  IndexWriter::create(folder.path("i"), {}, source, false);
  const Index index = Index::open(folder.path("i"));
  EXPECT_EQ(index.manifest().ids, IdKind::kText);
  for (std::size_t row = 0; row < source.ids.size(); ++row) {
    EXPECT_EQ(index.id(static_cast<std::int64_t>(row)), source.ids[row]);
    EXPECT_EQ(index.find(source.ids[row]), static_cast<std::int64_t>(row));
  }
  for (const char* missing : {"", "7", "aa", "A", "\xff"}) EXPECT_EQ(index.find(missing), -1);
}

TEST(IndexTest, FindsIntegerIdsByValueOnly) {
  const TemporaryFolder folder;
  const std::vector<std::string> ids = {"12", "-5", "9223372036854775807", "0",
                                        "-9223372036854775808"};
  IndexWriter::create(folder.path("i"), {}, source_of(random_rows(5, 3, 1), ids), false);
  const Index index = Index::open(folder.path("i"));
  EXPECT_EQ(index.manifest().ids, IdKind::kInteger);
  for (std::size_t row = 0; row < ids.size(); ++row) {
    EXPECT_EQ(index.find(ids[row]), static_cast<std::int64_t>(row));
  }
  for (const char* missing : {"", "012", "+12", "12.0", "1", "x", "9223372036854775808"}) {
    EXPECT_EQ(index.find(missing), -1) << missing;
  }
}

TEST(IndexTest, RowsWithoutIdsAreNumbered) {
  const TemporaryFolder folder;
  IndexWriter::create(folder.path("i"), {}, source_of(random_rows(3, 2, 1)), false);
  EXPECT_THAT(living_ids(Index::open(folder.path("i"))), ElementsAre("0", "1", "2"));
}

TEST(IndexTest, CountsRowsThatNoSearchFinds) {
  Rows rows = random_rows(5, 4, 2);
  rows[1][2] = NAN;
  rows[2] = {0, 0, 0, 0};
  rows[4][0] = INFINITY;
  const TemporaryFolder folder;
  const auto count = [&](kernels::Metric metric) {
    const IndexSettings settings{metric, at::kBFloat16, false, false};
    return IndexWriter::create(folder.path("i"), settings, source_of(rows), true).unfindable;
  };
  EXPECT_EQ(count(kernels::Metric::kCosine), 3);
  EXPECT_EQ(count(kernels::Metric::kL2), 2);  // zero is a point as good as any
  EXPECT_EQ(Index::open(folder.path("i")).parts()[0]->segment.unfindable(), 2);
}

/// Numbers of the rows of the first 64 that satisfy all conditions: "03".
std::string chosen_rows(const Index& index, const std::vector<std::string>& texts) {
  std::vector<Condition> conditions;
  for (const auto& text : texts) conditions.push_back(parse_condition(text, index.manifest()));
  std::string rows;
  const auto words = index.matching(0, conditions);
  for (int row = 0; row < 64; ++row) {
    if ((words[0] >> row & 1) != 0) rows += std::to_string(row);
  }
  return rows;
}

TEST(IndexTest, ConditionsChooseRows) {
  const TemporaryFolder folder;
  const auto site = attribute("site", AttributeKind::kText, {"A", "B", "", "A", "C"});
  const auto age = attribute("age", AttributeKind::kNumber, {"60", "59.5", "70", "", "60"});
  IndexWriter::create(folder.path("i"), {}, source_of(random_rows(5, 2, 1), names(5), {site, age}),
                      false);
  const Index index = Index::open(folder.path("i"));
  const auto chosen = [&](const std::vector<std::string>& texts) {
    return chosen_rows(index, texts);
  };
  EXPECT_EQ(chosen({}), "01234");
  EXPECT_EQ(chosen({"site=A"}), "03");
  EXPECT_EQ(chosen({"site == A"}), "03");
  EXPECT_EQ(chosen({"site!=A"}), "14");  // a missing site is not known to be another
  EXPECT_EQ(chosen({"site="}), "2");
  EXPECT_EQ(chosen({"site!="}), "0134");
  EXPECT_EQ(chosen({"site>=B"}), "14");
  EXPECT_EQ(chosen({"age>=60"}), "024");
  EXPECT_EQ(chosen({"age>60"}), "2");
  EXPECT_EQ(chosen({"age<60"}), "1");
  EXPECT_EQ(chosen({"age<=60.0"}), "014");
  EXPECT_EQ(chosen({"age=60"}), "04");
  EXPECT_EQ(chosen({"age!=60"}), "12");
  EXPECT_EQ(chosen({"age="}), "3");
  EXPECT_EQ(chosen({"age!="}), "0124");
  EXPECT_EQ(chosen({"age=60", "site=C"}), "4");
  EXPECT_EQ(chosen({"site=D"}), "");
}

TEST(IndexTest, SpacesAroundTextCountNeitherInRowsNorInConditions) {
  const TemporaryFolder folder;
  const auto site = attribute("site", AttributeKind::kText, {" A", "A\t", "A", "  ", "", "B C"});
  IndexWriter::create(folder.path("i"), {}, source_of(random_rows(6, 2, 1), names(6), {site}),
                      false);
  const Index index = Index::open(folder.path("i"));
  for (const std::string condition : {"site=A", "site= A", "site = A \t", "site<B", "site!=B C"}) {
    EXPECT_EQ(chosen_rows(index, {condition}), "012") << condition;
  }
  EXPECT_EQ(chosen_rows(index, {"site="}), "34") << "blank is missing";
  EXPECT_EQ(chosen_rows(index, {"site!= "}), "0125");
  EXPECT_EQ(chosen_rows(index, {"site= B C "}), "5");
  EXPECT_EQ(chosen_rows(index, {"site=BC"}), "") << "spaces inside count";
}

TEST(IndexTest, RefusesConditionsThatMakeNoSense) {
  Manifest manifest;
  manifest.attributes = {{"site", AttributeKind::kText}, {"age", AttributeKind::kNumber}};
  SALUS_EXPECT_ERROR(parse_condition("site", manifest), HasSubstr("is not like site=A"));
  SALUS_EXPECT_ERROR(parse_condition("=A", manifest), HasSubstr("is not like site=A"));
  SALUS_EXPECT_ERROR(parse_condition("site!A", manifest), HasSubstr("is not like site=A"));
  SALUS_EXPECT_ERROR(parse_condition("age>=", manifest), HasSubstr("no value to compare"));
  SALUS_EXPECT_ERROR(parse_condition("age>=old", manifest), HasSubstr("which is a number"));
  SALUS_EXPECT_ERROR(parse_condition("agee=3", manifest), HasSubstr("did you mean \"age\"?"));
}

TEST(IndexTest, AnEmptySourceGivesAnIndexWithoutRows) {
  const TemporaryFolder folder;
  auto source = source_of(random_rows(1, 4, 1));
  source.rows = 0;
  EXPECT_EQ(IndexWriter::create(folder.path("i"), {}, source, false).added, 0);
  const Index index = Index::open(folder.path("i"));
  EXPECT_EQ(index.rows(), 0);
  EXPECT_EQ(index.manifest().dim, 4);
  source.id_column = "pid";
  SALUS_EXPECT_ERROR(IndexWriter::create(folder.path("j"), {}, source, false),
                     HasSubstr("has no rows"));
}

TEST(IndexTest, AnIndexThatTakesTheNameOfAnotherGoesOnCounting) {
  const TemporaryFolder folder;
  const auto source = source_of(random_rows(2, 4, 1), names(2));
  IndexWriter::create(folder.path("i"), {}, source, false);
  IndexWriter(folder.path("i")).remove(names(2));
  IndexWriter(folder.path("i")).compact();
  const auto before = Index::open(folder.path("i")).manifest().generation;
  IndexWriter::create(folder.path("i"), {}, source, true);
  EXPECT_GT(Index::open(folder.path("i")).manifest().generation, before);
}

class DamagedIndexTest : public ::testing::Test {
 protected:
  DamagedIndexTest() {
    const auto site = attribute("site", AttributeKind::kText, {"A", "B", "A"});
    IndexWriter::create(path(), {kernels::Metric::kL2, at::kChar, true, false},
                        source_of(random_rows(3, 5, 1), names(3), {site}), false);
    IndexWriter(path()).remove(std::vector<std::string>{"p1"});
  }

  std::string path(const std::string& file = "") const {
    return folder_.path("i") + (file.empty() ? "" : "/" + file);
  }

  void change(const std::string& file, std::size_t at, int by) {
    std::string text = io::read_text(path(file));
    text[at] = static_cast<char>(text[at] + by);
    io::write_text(path(file), text);
  }

  static void open_and_verify(const std::string& path) { Index::open(path).verify(); }

  TemporaryFolder folder_;
};

TEST_F(DamagedIndexTest, EveryByteOfEveryFileIsUnderAChecksum) {
  ASSERT_NO_THROW(open_and_verify(path()));
  for (const char* file : {"segment-1.rows", "alive-2-0.bits"}) {
    const std::string text = io::read_text(path(file));
    // All but the long empty tail of the header, of which a sample does.
    for (std::size_t at = 0; at < text.size(); at += at < 2300 || at >= 4000 ? 1 : 97) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      overwrite(path(file), damaged);
      EXPECT_THROW(open_and_verify(path()), Error) << file << " byte " << at;
    }
    io::write_text(path(file), text);
  }
  ASSERT_NO_THROW(open_and_verify(path()));
}

TEST_F(DamagedIndexTest, NamesTheDamagedFile) {
  change("segment-1.rows", 4096, 1);
  SALUS_EXPECT_ERROR(open_and_verify(path()),
                     AllOf(HasSubstr("segment-1.rows"), HasSubstr("is damaged")));
}

TEST_F(DamagedIndexTest, RefusesTruncatedFiles) {
  const std::string text = io::read_text(path("segment-1.rows"));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{4095}, std::size_t{4096}, text.size() - 1}) {
    io::write_text(path("segment-1.rows"), text.substr(0, size));
    SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("truncated"));
  }
  io::write_text(path("segment-1.rows"), text + "x");
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("bytes where its header says"));
}

TEST_F(DamagedIndexTest, RefusesTruncatedBits) {
  const std::string text = io::read_text(path("alive-2-0.bits"));
  io::write_text(path("alive-2-0.bits"), text.substr(0, text.size() - 1));
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("truncated"));
}

TEST_F(DamagedIndexTest, RefusesFutureVersions) {
  change("segment-1.rows", 8, 1);
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("is of version 2"));
}

TEST_F(DamagedIndexTest, RefusesFilesOfAnotherIndex) {
  IndexWriter::create(folder_.path("other"), {kernels::Metric::kL2, at::kChar, true, false},
                      source_of(random_rows(4, 5, 1), names(4)), false);
  io::write_file(path("segment-1.rows"), io::read_file(folder_.path("other/segment-1.rows")));
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("does not belong"));
  io::write_text(path("segment-1.rows"), std::string(5000, 'x'));
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("is no file of a similarity index"));
}

TEST_F(DamagedIndexTest, RefusesAMissingFile) {
  std::filesystem::remove(path("segment-1.rows"));
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("Cannot open"));
}

}  // namespace
}  // namespace salus::similar
