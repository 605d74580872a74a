#include "engine/similar/index_writer.h"

#include <atomic>
#include <cmath>
#include <thread>

#include "tests/engine/similar/writer_fixture.h"

namespace salus::similar {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

at::Tensor stored_rows(const Index& index, std::size_t part) {
  return index.parts()[part]->segment.similarity(0, index.parts()[part]->segment.rows()).rows;
}

TEST_F(IndexWriterTest, AppendedRowsComeAfterTheOthers) {
  build();
  const auto report = IndexWriter(path()).append(source(10, 3), false);
  EXPECT_EQ(report.added, 3);
  const Index index = Index::open(path());
  EXPECT_THAT(living_ids(index), ElementsAreArray(names(13)));
  EXPECT_EQ(index.parts().size(), 2u);
  EXPECT_EQ(index.parts()[1]->first, 10);
  EXPECT_TRUE(stored_rows(index, 1).equal(tensor_of({rows_.begin() + 10, rows_.begin() + 13})));
  EXPECT_EQ(index.part_of(9), 0u);
  EXPECT_EQ(index.part_of(10), 1u);
  EXPECT_EQ(index.find("p12"), 12);
}

TEST_F(IndexWriterTest, DeletedRowsAreFoundNoMore) {
  build();
  IndexWriter writer(path());
  const auto report = writer.remove(Ids{"p3", "nobody", "p0", "p3"});
  EXPECT_EQ(report.removed, 2);
  EXPECT_THAT(report.unknown, ElementsAre("nobody"));
  EXPECT_THAT(living_ids(writer.index()),
              ElementsAre("p1", "p2", "p4", "p5", "p6", "p7", "p8", "p9"));
  EXPECT_EQ(writer.index().find("p3"), -1);
  EXPECT_THAT(writer.remove(Ids{"p3"}).unknown, ElementsAre("p3")) << "it is gone already";
  EXPECT_EQ(writer.index().manifest().deleted(), 2);
}

TEST_F(IndexWriterTest, DeletesByCondition) {
  build();
  IndexWriter writer(path());
  writer.append(source(10, 4), false);
  const auto& manifest = writer.index().manifest();
  const auto report =
      writer.remove({parse_condition("site=A", manifest), parse_condition("age>=6", manifest)});
  EXPECT_EQ(report.removed, 4);
  EXPECT_THAT(living_ids(writer.index()),
              ElementsAre("p0", "p1", "p2", "p3", "p4", "p5", "p7", "p9", "p11", "p13"));
  EXPECT_EQ(writer.remove({parse_condition("age>100", writer.index().manifest())}).removed, 0);
}

TEST_F(IndexWriterTest, ADeletedIdMayComeAgain) {
  build();
  IndexWriter writer(path());
  writer.remove(Ids{"p3"});
  EXPECT_EQ(writer.append(source(3, 1), false).added, 1);
  EXPECT_EQ(writer.index().find("p3"), 10);
}

TEST_F(IndexWriterTest, ReplacesRowsOfTheSameId) {
  build();
  IndexWriter writer(path());
  auto fresh = source(20, 4);
  fresh.ids = {"p5", "new", "p7", "new"};
  const auto report = writer.append(fresh, true);
  EXPECT_EQ(report.added, 3);
  EXPECT_EQ(report.replaced, 2);
  EXPECT_THAT(living_ids(writer.index()),
              ElementsAre("p0", "p1", "p2", "p3", "p4", "p6", "p8", "p9", "p5", "p7", "new"));
  EXPECT_TRUE(stored_rows(writer.index(), 1).equal(tensor_of({rows_[20], rows_[22], rows_[23]})))
      << "of two new rows with one id the last one counts";
}

TEST_F(IndexWriterTest, RefusesIdsThatAreThere) {
  build();
  IndexWriter writer(path());
  SALUS_EXPECT_ERROR(writer.append(source(9, 2), false),
                     HasSubstr("row 1 has the id \"p9\", which is in"));
  auto twice = source(10, 3);
  twice.ids = {"x", "y", "x"};
  SALUS_EXPECT_ERROR(writer.append(twice, false), HasSubstr("id \"x\" in rows 1 and 3"));
  auto without = source(10, 2);
  without.ids[1] = "";
  SALUS_EXPECT_ERROR(writer.append(without, false), HasSubstr("row 2 has no id"));
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAreArray(names(10)));
}

TEST_F(IndexWriterTest, ARefusedBuildMakesNoFolder) {
  auto twice = source(0, 2);
  twice.ids[1] = twice.ids[0];
  SALUS_EXPECT_ERROR(IndexWriter::create(path(), float_rows(), twice, false),
                     HasSubstr("an id may stand there once"));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(IndexWriterTest, RefusesRowsThatDoNotFit) {
  build();
  IndexWriter writer(path());
  SALUS_EXPECT_ERROR(writer.append(source_of(random_rows(1, 5, 1), {"x"}), false),
                     HasSubstr("vectors of 5 values"));
  auto plain = source(10, 1);
  plain.ids.clear();
  SALUS_EXPECT_ERROR(writer.append(plain, false), HasSubstr("has no ids"));
  auto bare = source(10, 1);
  bare.attributes.clear();
  SALUS_EXPECT_ERROR(writer.append(bare, false), HasSubstr("does not bring the attributes"));
}

TEST_F(IndexWriterTest, AnIntegerIndexTakesIntegersOnly) {
  IndexWriter::create(path(), float_rows(), source_of(random_rows(2, 3, 1), {"1", "2"}), false);
  IndexWriter writer(path());
  SALUS_EXPECT_ERROR(writer.append(source_of(random_rows(1, 3, 1), {"003"}), false),
                     HasSubstr("\"003\", which is not a whole number"));
}

TEST_F(IndexWriterTest, NumbersAreNeverUsedTwice) {
  IndexWriter::create(path(), float_rows(), source_of(random_rows(3, 2, 1)), false);
  IndexWriter writer(path());
  writer.remove(Ids{"2"});
  writer.compact();
  writer.append(source_of(random_rows(2, 2, 2)), false);
  EXPECT_THAT(living_ids(writer.index()), ElementsAre("0", "1", "3", "4"));
  SALUS_EXPECT_ERROR(writer.append(source_of(random_rows(1, 2, 1), {"x"}), false),
                     HasSubstr("are numbered"));
}

TEST_F(IndexWriterTest, CompactionErasesTheBytesOfDeletedRows) {
  build();
  IndexWriter writer(path());
  writer.append(source(10, 6), false);
  const std::string row = std::string(bytes_of(rows_[11]));
  ASSERT_TRUE(holds_bytes(folder_, "index", row));
  writer.remove(Ids{"p11", "p2"});
  EXPECT_TRUE(holds_bytes(folder_, "index", row)) << "deleting only hides it";
  EXPECT_EQ(writer.compact(), 2);
  EXPECT_FALSE(holds_bytes(folder_, "index", row));
  EXPECT_FALSE(holds_bytes(folder_, "index", bytes_of(rows_[2])));
  EXPECT_FALSE(holds_bytes(folder_, "index", "p11"));
  EXPECT_TRUE(holds_bytes(folder_, "index", bytes_of(rows_[12]))) << "the others are there";
  EXPECT_THAT(files(), ElementsAre("index.json", "lock", "segment-4.rows"));
  EXPECT_THAT(living_ids(writer.index()),
              ElementsAre("p0", "p1", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p12", "p13",
                          "p14", "p15"));
}

TEST_F(IndexWriterTest, CompactionErasesTextThatOnlyDeletedRowsHad) {
  auto secret = source(0, 3);
  secret.attributes[0] = attribute("site", AttributeKind::kText, {"A", "Hospital Nowhere", "A"});
  IndexWriter::create(path(), float_rows(), secret, false);
  IndexWriter writer(path());
  writer.remove(Ids{"p1"});
  ASSERT_TRUE(holds_bytes(folder_, "index", "Nowhere"));
  writer.compact();
  EXPECT_FALSE(holds_bytes(folder_, "index", "Nowhere"));
  const auto site = writer.index().parts()[0]->segment.text(0);
  EXPECT_THAT(site.dictionary, ElementsAre("A"));
}

TEST_F(IndexWriterTest, CompactionKeepsRowsAndAttributesAsTheyWere) {
  build({kernels::Metric::kL2, at::kChar, true, false});
  IndexWriter writer(path());
  writer.append(source(10, 5), false);
  const Index before = Index::open(path());
  writer.remove(Ids{"p0", "p12"});
  writer.compact();
  const Index& after = writer.index();
  after.verify();
  ASSERT_EQ(after.rows(), 13);
  const auto now = after.parts()[0]->segment.similarity(0, 13);
  for (std::int64_t row = 0; row < 13; ++row) {
    const std::int64_t old = before.find(after.id(row));
    const auto& part = *before.parts()[before.part_of(old)];
    const auto then = part.segment.similarity(0, part.segment.rows());
    EXPECT_TRUE(now.rows[row].equal(then.rows[old - part.first]));
    EXPECT_TRUE(now.scales[row].equal(then.scales[old - part.first]));
    EXPECT_TRUE(now.exact_rows[row].equal(then.exact_rows[old - part.first]));
    const auto ages = after.parts()[0]->segment.numbers(1);
    EXPECT_EQ(ages[static_cast<std::size_t>(row)], static_cast<double>(old));
    const auto site = after.parts()[0]->segment.text(0);
    EXPECT_EQ(site.dictionary[site.codes[static_cast<std::size_t>(row)]], old % 2 == 0 ? "A" : "B");
  }
}

TEST_F(IndexWriterTest, CompactingAWholeIndexChangesNothing) {
  build();
  const auto before = files();
  EXPECT_EQ(IndexWriter(path()).compact(), 0);
  EXPECT_EQ(files(), before);
}

TEST_F(IndexWriterTest, AllRowsMayBeDeletedAndErased) {
  build();
  IndexWriter writer(path());
  writer.remove(names(10));
  EXPECT_THAT(living_ids(writer.index()), IsEmpty());
  EXPECT_EQ(writer.compact(), 10);
  EXPECT_EQ(writer.index().rows(), 0);
  writer.append(source(3, 2), false);
  EXPECT_THAT(living_ids(writer.index()), ElementsAre("p3", "p4"));
}

TEST_F(IndexWriterTest, AnOpenReaderKeepsItsSnapshot) {
  build();
  const Index before = Index::open(path());
  const at::Tensor rows = stored_rows(before, 0);
  IndexWriter writer(path());
  writer.append(source(10, 5), false);
  writer.remove(names(12));
  writer.compact();
  EXPECT_THAT(living_ids(before), ElementsAreArray(names(10)));
  before.verify();
  EXPECT_TRUE(rows.equal(tensor_of({rows_.begin(), rows_.begin() + 10})));
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAre("p12", "p13", "p14"));
}

TEST_F(IndexWriterTest, ReadersSeeWholeChangesOnly) {
  build();
  std::atomic<bool> done = false;
  std::thread changes([&] {
    for (std::size_t i = 0; i < 10; ++i) {
      IndexWriter writer(path());
      writer.append(source(10 + i, 1), false);
      writer.remove(Ids{fmt::format("p{}", i)});
      writer.compact();
    }
    done = true;
  });
  do {
    const Index index = Index::open(path());
    index.verify();
    const auto ids = living_ids(index);
    EXPECT_TRUE(ids.size() == 10 || ids.size() == 11) << ids.size();
  } while (!done);
  changes.join();
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAreArray(names(10, 10)));
}

TEST_F(IndexWriterTest, OneWriterAtATime) {
  build();
  {
    const IndexWriter first(path());
    SALUS_EXPECT_ERROR(IndexWriter{path()}, HasSubstr("is being written by another process"));
    SALUS_EXPECT_ERROR(IndexWriter::create(path(), float_rows(), source(0, 1), true),
                       HasSubstr("is being written by another process"));
    EXPECT_NO_THROW(Index::open(path())) << "readers need no lock";
  }
  EXPECT_NO_THROW(IndexWriter{path()});
}

TEST_F(IndexWriterTest, CreatesOnlyWhereNothingElseIs) {
  build();
  SALUS_EXPECT_ERROR(IndexWriter::create(path(), float_rows(), source(0, 1), false),
                     HasSubstr("is an index already"));
  EXPECT_EQ(IndexWriter::create(path(), float_rows(), source(0, 1), true).added, 1);
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAre("p0"));
  EXPECT_EQ(files().size(), 3u) << "the old files are gone";
}

TEST_F(IndexWriterTest, NeverTouchesAFolderOfOtherThings) {
  std::filesystem::create_directory(folder_.path("photos"));
  io::write_text(folder_.path("photos/cat.png"), "cat");
  for (const bool replace : {false, true}) {
    SALUS_EXPECT_ERROR(
        IndexWriter::create(folder_.path("photos"), float_rows(), source(0, 1), replace),
        HasSubstr("holds cat.png"));
  }
  SALUS_EXPECT_ERROR(IndexWriter(folder_.path("photos")), HasSubstr("is not a similarity index"));
  io::write_text(folder_.path("file"), "x");
  SALUS_EXPECT_ERROR(IndexWriter::create(folder_.path("file"), float_rows(), source(0, 1), true),
                     HasSubstr("is a file"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path("photos")), {}), 1);
}

TEST_F(IndexWriterTest, CompactionDoesNotCoverUpDamage) {
  build();
  IndexWriter writer(path());
  writer.remove(Ids{"p1"});
  std::string text = io::read_text(path() + "/segment-1.rows");
  text[4096] ^= 1;
  overwrite(path() + "/segment-1.rows", text);  // in place, under the writer's mapping
  SALUS_EXPECT_ERROR(writer.compact(), HasSubstr("is damaged"));
}

TEST_F(IndexWriterTest, StandardisesByTheRowsItWasBuiltOf) {
  const Rows rows = {{1, 5, 2}, {3, 5, NAN}, {5, 5, 6}};
  IndexWriter::create(path(), {kernels::Metric::kL2, at::kFloat, false, true}, source_of(rows),
                      false);
  IndexWriter writer(path());
  const auto& manifest = writer.index().manifest();
  EXPECT_THAT(manifest.mean, ElementsAre(3, 5, 4));
  EXPECT_THAT(manifest.deviation, ElementsAre(std::sqrt(8.0 / 3), 1, 2));
  const auto stored = stored_rows(writer.index(), 0);
  EXPECT_FLOAT_EQ(stored[0][0].item<float>(), static_cast<float>(-2 / std::sqrt(8.0 / 3)));
  EXPECT_EQ(stored[1][1].item<float>(), 0);
  EXPECT_TRUE(std::isnan(stored[1][2].item<float>()));
  EXPECT_EQ(stored[2][2].item<float>(), 1);
  writer.append(source_of(Rows{{3, 7, 8}}), false);
  EXPECT_TRUE(stored_rows(writer.index(), 1).equal(tensor_of({{0, 2, 2}})));
}

}  // namespace
}  // namespace salus::similar
