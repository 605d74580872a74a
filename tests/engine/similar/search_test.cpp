#include "engine/similar/search.h"

#include <ATen/Parallel.h>
#include <ATen/ops/all.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sin.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "engine/similar/query.h"
#include "engine/similar/sharded.h"
#include "tests/engine/similar/similar_support.h"
#include "tests/support/reference/similarity.h"

namespace salus::similar {
namespace {

using test::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Ids = std::vector<std::string>;

kernels::SimilarityOptions exactly(std::int64_t k) { return {k, true, 4}; }

/// An index of 700 rows in three segments with deletions, and the rows in it as float32.
class SearchTest : public ::testing::Test {
 protected:
  SearchTest() {
    for (std::size_t i = 0; i < 700; ++i) rows_[i][0] = rows_[i / 2][0];
    for (std::size_t i = 300; i < 320; ++i) rows_[i] = rows_[i - 300];  // equal scores in two parts
    rows_[5][3] = NAN;
    std::vector<std::string> sites;
    for (std::size_t i = 0; i < 700; ++i) sites.push_back(i % 3 == 0 ? "A" : "B");
    const auto part = [&](std::size_t first, std::size_t count) {
      const Rows some(rows_.begin() + static_cast<std::ptrdiff_t>(first),
                      rows_.begin() + static_cast<std::ptrdiff_t>(first + count));
      const std::vector<std::string> cells(
          sites.begin() + static_cast<std::ptrdiff_t>(first),
          sites.begin() + static_cast<std::ptrdiff_t>(first + count));
      return source_of(some, names(count, first), {attribute("site", AttributeKind::kText, cells)});
    };
    IndexWriter::create(path(), {kernels::Metric::kCosine, at::kFloat, false, false}, part(0, 257),
                        false);
    IndexWriter writer(path());
    writer.append(part(257, 400), false);
    writer.append(part(657, 43), false);
    writer.remove(Ids{"p0", "p300", "p699"});
    for (std::size_t row = 0; row < 700; ++row) {
      allowed_.push_back(row != 0 && row != 300 && row != 699);
      is_a_.push_back(allowed_[row] && row % 3 == 0);
    }
  }

  std::string path() const { return folder_.path("index"); }

  /// The lists of the reference for every query.
  void expect_reference(const kernels::SimilarityResult& found, const Rows& queries, std::int64_t k,
                        const std::vector<bool>& allowed) const {
    const reference::SimilarityTable table(reference::Similarity::kCosine, rows_);
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const auto expected = table.topk(queries[q], k, allowed);
      const auto at = static_cast<std::int64_t>(q) * k;
      const auto* ids = found.ids.const_data_ptr<std::int64_t>() + at;
      const auto* scores = found.scores.const_data_ptr<float>() + at;
      for (std::size_t r = 0; r < static_cast<std::size_t>(k); ++r) {
        const bool there = r < expected.size() && expected[r].id >= 0;
        ASSERT_EQ(ids[r], there ? expected[r].id : -1) << "query " << q << " rank " << r;
        if (there) {
          ASSERT_EQ(scores[r], expected[r].score) << "query " << q << " rank " << r;
        }
      }
      EXPECT_TRUE(found.certain[static_cast<std::int64_t>(q)].item<bool>());
    }
  }

  TemporaryFolder folder_;
  Rows rows_ = random_rows(700, 20, 3);
  const Rows queries_ = random_rows(9, 20, 4);
  std::vector<bool> allowed_, is_a_;
  const ProcessGroup alone_;
};

TEST_F(SearchTest, FindsTheNearestRowsOfAllSegments) {
  const Index index = Index::open(path());
  const Searcher searcher(index, alone_, at::kCPU);
  for (const std::int64_t k : {1, 10, 700}) {
    expect_reference(searcher.search(tensor_of(queries_), exactly(k)), queries_, k, allowed_);
  }
}

TEST_F(SearchTest, EqualScoresRankInTheOrderOfTheRows) {
  const Index index = Index::open(path());
  const Searcher searcher(index, alone_, at::kCPU);
  const auto found = searcher.search(tensor_of({rows_[7]}), exactly(2));
  EXPECT_EQ(found.ids[0][0].item<std::int64_t>(), 7);
  EXPECT_EQ(found.ids[0][1].item<std::int64_t>(), 307);
  EXPECT_EQ(found.scores[0][0].item<float>(), found.scores[0][1].item<float>());
}

TEST_F(SearchTest, ConditionsNarrowTheSearch) {
  const Index index = Index::open(path());
  Searcher searcher(index, alone_, at::kCPU);
  searcher.restrict_to({parse_condition("site=A", index.manifest())});
  expect_reference(searcher.search(tensor_of(queries_), exactly(10)), queries_, 10, is_a_);
  searcher.restrict_to({});
  expect_reference(searcher.search(tensor_of(queries_), exactly(10)), queries_, 10, allowed_);
}

TEST_F(SearchTest, AQueryDoesNotFindTheRowItExcludes) {
  const Index index = Index::open(path());
  const Searcher searcher(index, alone_, at::kCPU);
  const auto found =
      searcher.search(tensor_of({rows_[7], rows_[600], rows_[9]}), exactly(1), {7, 600, -1});
  EXPECT_EQ(found.ids[0][0].item<std::int64_t>(), 307);
  EXPECT_NE(found.ids[1][0].item<std::int64_t>(), 600);
  EXPECT_EQ(found.ids[2][0].item<std::int64_t>(), 9);
}

TEST_F(SearchTest, TheAnswerIsTheSameForAnyNumberOfThreads) {
  const Index index = Index::open(path());
  const Searcher searcher(index, alone_, at::kCPU);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = searcher.search(tensor_of(queries_), exactly(20));
  at::set_num_threads(2);
  const auto two = searcher.search(tensor_of(queries_), exactly(20));
  at::set_num_threads(before);
  EXPECT_TRUE(one.ids.equal(two.ids));
  EXPECT_TRUE(one.scores.equal(two.scores));
}

TEST_F(SearchTest, ShardsAreWholeBlocksThatCoverEveryRowOnce) {
  const Index index = Index::open(path());
  for (const int ranks : {1, 2, 3, 4, 7, 50}) {
    std::vector<int> covered(700, 0);
    for (int rank = 0; rank < ranks; ++rank) {
      for (const PartRows& rows : shard_of(index, rank, ranks)) {
        EXPECT_EQ(rows.begin % 256, 0);
        const auto first = index.parts()[rows.part]->first;
        for (auto row = rows.begin; row < rows.end; ++row) {
          ++covered[static_cast<std::size_t>(first + row)];
        }
      }
    }
    EXPECT_THAT(covered, ::testing::Each(1)) << ranks << " ranks";
  }
}

TEST_F(SearchTest, AnIndexWithoutRowsFindsNothing) {
  auto source = source_of(random_rows(1, 3, 1));
  source.rows = 0;
  IndexWriter::create(folder_.path("empty"), {}, source, false);
  const Index index = Index::open(folder_.path("empty"));
  const auto found =
      Searcher(index, alone_, at::kCPU).search(tensor_of(random_rows(2, 3, 1)), exactly(3));
  EXPECT_TRUE(found.ids.equal(at::empty_like(found.ids).fill_(-1)));
  EXPECT_EQ(found.scores[0][0].item<float>(), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(found.certain.all().item<bool>());
}

TEST_F(SearchTest, VerifyFindsDamagedRows) {
  const Index index = Index::open(path());
  const Searcher searcher(index, alone_, at::kCPU);
  EXPECT_NO_THROW(searcher.verify());
  std::string text = io::read_text(path() + "/segment-2.rows");
  text[4096 + 123] ^= 4;
  overwrite(path() + "/segment-2.rows", text);
  SALUS_EXPECT_ERROR(searcher.verify(), HasSubstr("segment-2.rows is damaged"));
}

/// Memory of this process that is in no file, in bytes.
std::int64_t own_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoll(line.substr(8)) * 1024;
  }
  return 0;
}

TEST(SearchMemoryTest, RowsStayInTheFile) {
  const TemporaryFolder folder;
  const std::int64_t rows = 60'000;  // 61 MB of float32
  VectorSource source;
  source.origin = "rows";
  source.rows = rows;
  source.dim = 256;
  source.read = [](std::int64_t first, std::int64_t count) {
    return at::arange(first * 256, (first + count) * 256, at::kFloat).sin().view({count, 256});
  };
  const std::int64_t before = own_memory();
  ASSERT_GT(before, 0);
  IndexWriter::create(folder.path("i"), {kernels::Metric::kCosine, at::kFloat, false, false},
                      source, false);
  const Index index = Index::open(folder.path("i"));
  index.verify();
  const ProcessGroup alone;
  const auto found = Searcher(index, alone, at::kCPU).search(source.read(77, 1), exactly(1));
  EXPECT_EQ(found.ids[0][0].item<std::int64_t>(), 77);
  EXPECT_LT(own_memory() - before, 40'000'000) << "of which pieces while building take most";
}

class RunQueriesTest : public SearchTest {
 protected:
  std::vector<Answer> ask(const VectorSource& queries, QueryOptions options) {
    options.exact = true;
    std::vector<Answer> answers;
    const Index index = Index::open(path());
    run_queries(index, alone_, "cpu", queries, options,
                [&](const Answer& answer) { answers.push_back(answer); });
    return answers;
  }
  static Ids ids_of(const Answer& answer) {
    Ids ids;
    for (const auto& neighbour : answer.neighbours) ids.push_back(neighbour.id);
    return ids;
  }
};

TEST_F(RunQueriesTest, GivesIdsAndAttributes) {
  QueryOptions options;
  options.k = 2;
  options.show = {"site"};
  const auto answers = ask(source_of({rows_[7], rows_[9]}, {"x", "y"}), options);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].id, "x");
  EXPECT_THAT(ids_of(answers[0]), ElementsAre("p7", "p307"));
  EXPECT_THAT(ids_of(answers[1]), ElementsAre("p9", "p309"));
  EXPECT_EQ(std::get<std::string>(answers[1].neighbours[0].attributes[0]), "A");
  EXPECT_TRUE(answers[0].certain);
}

TEST_F(RunQueriesTest, ExcludesTheRowWithTheQuerysId) {
  QueryOptions options;
  options.k = 1;
  options.exclude_self = true;
  const auto answers = ask(source_of({rows_[7], rows_[7], rows_[0]}, {"p7", "x", "p0"}), options);
  EXPECT_THAT(ids_of(answers[0]), ElementsAre("p307"));
  EXPECT_THAT(ids_of(answers[1]), ElementsAre("p7"));
  EXPECT_NE(ids_of(answers[2])[0], "p0") << "it is deleted";
  SALUS_EXPECT_ERROR(ask(source_of({rows_[7]}), options), HasSubstr("needs the ids"));
}

TEST_F(RunQueriesTest, SameSearchesAmongRowsOfTheQuerysOwnValue) {
  QueryOptions options;
  options.k = 20;
  options.same = "site";
  options.show = {"site"};
  auto queries =
      source_of({rows_[7], rows_[9], rows_[7], rows_[9], rows_[7]}, {"a", "b", "c", "d", "e"},
                {attribute("site", AttributeKind::kText, {" A", "B", "", "nowhere", "  "})});
  const auto answers = ask(queries, options);
  for (int q = 0; q < 2; ++q) {
    ASSERT_EQ(answers[static_cast<std::size_t>(q)].neighbours.size(), 20u);
    for (const auto& neighbour : answers[static_cast<std::size_t>(q)].neighbours) {
      EXPECT_EQ(std::get<std::string>(neighbour.attributes[0]), q == 0 ? "A" : "B");
    }
  }
  for (std::size_t q = 2; q < 5; ++q) EXPECT_THAT(answers[q].neighbours, IsEmpty()) << q;
}

TEST_F(RunQueriesTest, QueriesThatCannotBeAnsweredSaySo) {
  Rows queries = {rows_[1], rows_[1], std::vector<float>(20, 0.0f)};
  queries[1][4] = NAN;
  const auto answers = ask(source_of(queries), {});
  EXPECT_TRUE(answers[0].usable);
  for (const std::size_t q : {1, 2}) {
    EXPECT_FALSE(answers[q].usable);
    EXPECT_THAT(answers[q].neighbours, IsEmpty());
  }
}

TEST_F(RunQueriesTest, MoreQueriesThanFitInOneBatchComeInOrder) {
  Rows many;
  for (std::size_t i = 0; i < 2500; ++i) many.push_back(rows_[(i * 7) % 250 + 6]);
  QueryOptions options;
  options.k = 1;
  const auto answers = ask(source_of(many), options);
  ASSERT_EQ(answers.size(), 2500u);
  for (std::size_t i = 0; i < 2500; ++i) {
    ASSERT_EQ(answers[i].id, std::to_string(i));
    ASSERT_EQ(ids_of(answers[i])[0], fmt::format("p{}", (i * 7) % 250 + 6)) << i;
  }
}

TEST_F(RunQueriesTest, RefusesWhatItCannotDo) {
  QueryOptions options;
  options.k = 0;
  SALUS_EXPECT_ERROR(ask(source_of({rows_[1]}), options), HasSubstr("-k must be 1 to 1024"));
  options.k = 1025;
  SALUS_EXPECT_ERROR(ask(source_of({rows_[1]}), options), HasSubstr("-k must be 1 to 1024"));
  options.k = 1;
  SALUS_EXPECT_ERROR(ask(source_of(random_rows(1, 21, 1)), options),
                     HasSubstr("vectors of 21 values"));
  options.show = {"ward"};
  SALUS_EXPECT_ERROR(ask(source_of({rows_[1]}), options), HasSubstr("no attribute \"ward\""));
}

}  // namespace
}  // namespace salus::similar
