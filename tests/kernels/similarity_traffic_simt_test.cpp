#include "kernels/similarity_cost.h"
#include "tests/kernels/similarity_brute.h"

// What a search moves, counted by the emulator: rows once per tile of queries, and no scores.
namespace salus::kernels::similarity {
namespace {

class SimilarityTrafficTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: nothing is counted";
  }

  static std::uint64_t written(const simt::Report& report) {
    std::uint64_t bytes = 0;
    for (const auto& [name, traffic] : report.traffic) {
      if (report.shared.find(name) == report.shared.end()) bytes += traffic.bytes_written;
    }
    return bytes;
  }
};

TEST_F(SimilarityTrafficTest, RowsAreReadOncePerTileOfQueriesByWholeWords) {
  for (const int queries : {1, 64, 70}) {
    auto search = random_search<BFloat16>(Kind::kInnerProduct, queries, 400, 64, 10, 3);
    search.exact = false;
    const Found found = emulate(search);
    const simt::Traffic rows = found.reports[1].traffic.at("rows");
    const auto tiles = static_cast<std::uint64_t>(found.plan.first.tiles);
    EXPECT_EQ(tiles, queries == 70 ? 2u : 1u);
    EXPECT_EQ(rows.bytes_read, tiles * search.rows.size() * sizeof(BFloat16));
    EXPECT_EQ(rows.reads, rows.bytes_read / 16);
    EXPECT_EQ(rows.elements_read, search.rows.size());
  }
}

TEST_F(SimilarityTrafficTest, NoScoreIsWrittenOnlyTheCandidatesOfEachSplit) {
  auto search = random_search<BFloat16>(Kind::kInnerProduct, 64, 2000, 16, 10, 3);
  search.exact = false;
  const Found found = emulate(search);
  const ScanPlan& plan = found.plan.first;
  const simt::Report& scan = found.reports[1];
  const auto lists = static_cast<std::uint64_t>(plan.splits) * 64;
  EXPECT_LE(scan.traffic.at("lists").bytes_written, lists * plan.keep * sizeof(Key));
  EXPECT_EQ(scan.traffic.at("counts").bytes_written, lists * sizeof(int));
  // Beside these, thresholds: a word per query, tile of rows and cut of a list, however large N is.
  const std::uint64_t rest = written(scan) - scan.traffic.at("lists").bytes_written -
                             scan.traffic.at("counts").bytes_written;
  EXPECT_EQ(rest, scan.traffic.at("thresholds").bytes_written);
  EXPECT_LT(written(scan), 64u * 2000 * sizeof(float) / 4);
}

TEST_F(SimilarityTrafficTest, CostIsWhatIsReadAndWrittenWithFullListsOfCandidates) {
  auto search = random_search<BFloat16>(Kind::kInnerProduct, 64, 2000, 16, 10, 3);
  search.exact = false;
  const Found found = emulate(search);
  const KernelCost cost = similarity_cost(search.problem(), found.plan);
  const ScanPlan& plan = found.plan.first;
  const double lists = 64.0 * plan.splits * (plan.keep * double{sizeof(Key)} + sizeof(int));
  const auto& scan = found.reports[1].traffic;
  const double source =
      static_cast<double>(scan.at("rows").elements_read * sizeof(BFloat16) +
                          scan.at("multipliers").elements_read * sizeof(float) +
                          scan.at("bounds").elements_read * sizeof(SimilarityBlockBounds) +
                          found.reports[0].traffic.at("query").elements_read * sizeof(float));
  EXPECT_EQ(cost.bytes_read - lists, source);
  const auto& merge = found.reports[2].traffic;
  double results = 0;
  for (const char* name : {"scores", "ids", "certain", "bound"}) {
    results += static_cast<double>(merge.at(name).bytes_written);
  }
  EXPECT_EQ(cost.bytes_written - lists, results);
  EXPECT_LE(scan.at("lists").bytes_written + scan.at("counts").bytes_written, lists);
  EXPECT_LE(cost.bytes_written, 64 * 2000 * sizeof(float) / 4.0) << "no room for scores";
  EXPECT_EQ(cost.launches, static_cast<int>(found.reports.size()));
}

TEST_F(SimilarityTrafficTest, TheSecondPassReadsNoRowIfAllAreCertain) {
  auto search = random_search<BFloat16>(Kind::kInnerProduct, 3, 400, 64, 4, 3);
  search.candidates = 64;
  const Found found = emulate(search);
  ASSERT_EQ(found.reports.size(), 6u);
  EXPECT_EQ(found.reports[4].traffic.at("rows").bytes_read, 0u);
  EXPECT_EQ(written(found.reports[4]) + written(found.reports[5]), 0u);
}

/// Bytes of the distinct elements that a launch reads of an array of T.
template <typename T>
double read_once(const simt::Report& report, const char* name) {
  return static_cast<double>(report.traffic.at(name).elements_read * sizeof(T));
}

/// Bytes written to the arrays of these names, in all.
double written_to(const simt::Report& report, std::initializer_list<const char*> names) {
  double bytes = 0;
  for (const char* name : names) {
    bytes += static_cast<double>(report.traffic.at(name).bytes_written);
  }
  return bytes;
}

/// Ten rows with `copies` of each, and queries of which the first ten are these rows: more equal
/// bests than the first pass can keep. Two queries more have a NaN, so they are certain.
template <typename T>
Search<T> search_of_copies(Kind kind, int copies) {
  constexpr int kDim = 64, kRows = 10, kOdd = 2;
  auto search = random_search<T>(kind, kRows + kOdd, kRows, kDim, 4, 3);
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (int d = 0; d < kDim; ++d) {
      search.queries[static_cast<std::size_t>(row * kDim + d)] = true_value(search, row, d);
    }
  }
  for (int q = kRows; q < kRows + kOdd; ++q) {
    search.queries[static_cast<std::size_t>(q * kDim)] = std::numeric_limits<float>::quiet_NaN();
  }
  const std::vector<T> once = search.rows;
  for (int copy = 1; copy < copies; ++copy) {
    search.rows.insert(search.rows.end(), once.begin(), once.end());
  }
  return search;
}

/// Holds the cost of the second pass to what the launches after the first three move.
template <typename T>
void expect_second_cost(const Search<T>& search, const Found& found, std::int64_t rescored) {
  ASSERT_EQ(found.reports.size(), 6u);
  const simt::Report& scan = found.reports[4];
  const simt::Report& merge = found.reports[5];
  const EmulatedIndex<T> index(search);
  SimilarityProblem problem = search.problem();
  problem.rows.exact = index.rows.exact;
  const SecondPass pass{.queries = 10, .rescored = rescored};
  const KernelCost cost = similarity_second_cost(problem, found.plan, pass);
  const double lists = written_to(scan, {"lists", "counts"});
  double source = read_once<T>(scan, "rows") + read_once<float>(scan, "multipliers") +
                  read_once<SimilarityBlockBounds>(scan, "bounds") +
                  read_once<float>(scan, "query") + read_once<float>(scan, "exact");
  if (problem.rows.l2) source += read_once<float>(scan, "offsets");
  EXPECT_EQ(cost.bytes_read, source + lists);
  EXPECT_EQ(lists, read_once<Key>(merge, "lists") + read_once<int>(merge, "counts"));
  EXPECT_EQ(cost.bytes_written, lists + written_to(merge, {"scores", "ids", "certain", "bound"}));
  EXPECT_EQ(cost.launches, 0) << "they are in similarity_cost()";
  EXPECT_EQ(similarity_second_cost(problem, found.plan, {}).bytes(), 0) << "all are certain";
}

TEST_F(SimilarityTrafficTest, CostOfTheSecondPassIsWhatItReadsAndWrites) {
  constexpr int kCopies = 48;
  const auto plain = search_of_copies<BFloat16>(Kind::kInnerProduct, kCopies);
  expect_second_cost(plain, emulate(plain), kCopies);
  auto originals = search_of_copies<Half>(Kind::kL2, kCopies);
  for (const Half value : originals.rows) originals.exact_rows.push_back(to_float(value));
  expect_second_cost(originals, emulate(originals), kCopies);
}

TEST_F(SimilarityTrafficTest, TheSecondPassReadsRowsOncePerTileOfUncertainQueries) {
  const auto search = search_of_copies<BFloat16>(Kind::kInnerProduct, 48);
  const simt::Report scan = emulate(search).reports[4];
  const std::uint64_t tiles = 2;  // ten of the twelve queries, eight at a time
  const std::uint64_t scanned = tiles * search.rows.size() * sizeof(BFloat16);
  const std::uint64_t rescored = std::uint64_t{10} * 48 * 64 * sizeof(BFloat16);
  EXPECT_EQ(scan.traffic.at("rows").bytes_read, scanned + rescored);
}

template <typename T>
void expect_prepare_cost(const Search<T>& search) {
  const EmulatedIndex<T> index(search);
  const KernelCost cost = similarity_prepare_cost(index.rows);
  const simt::Report& report = index.report;
  EXPECT_EQ(cost.bytes_read, read_once<T>(report, "rows") + read_once<float>(report, "scales") +
                                 read_once<float>(report, "exact"));
  EXPECT_EQ(cost.bytes_written, written_to(report, {"norms", "multipliers", "offsets", "bounds"}));
  EXPECT_EQ(report.traffic.at("rows").bytes_read, search.rows.size() * sizeof(T)) << "once";
}

TEST_F(SimilarityTrafficTest, CostOfAnIndexIsWhatItsKernelReadsAndWrites) {
  expect_prepare_cost(random_search<float>(Kind::kInnerProduct, 1, 300, 40, 1, 3));
  expect_prepare_cost(random_search<std::int8_t>(Kind::kCosine, 1, 300, 40, 1, 3));
  auto originals = random_search<BFloat16>(Kind::kL2, 1, 520, 33, 1, 3);
  for (const BFloat16 value : originals.rows) originals.exact_rows.push_back(to_float(value));
  expect_prepare_cost(originals);
}

/// Bank passes of shared memory and the fewest possible, of rows of `dim` values.
std::pair<std::uint64_t, std::uint64_t> bank_passes(int dim) {
  auto search = random_search<BFloat16>(Kind::kInnerProduct, 64, 256, dim, 1, 3);
  search.mask = {0, 0, 0, 0};  // no row may be found: what is counted is the pipeline
  search.exact = false;
  EmulatorOptions options;
  options.order.count_transactions = true;
  const Found found = emulate(search, options);
  const simt::Traffic rows = found.reports[1].traffic.at("rows");
  EXPECT_EQ(rows.transactions, rows.fewest_transactions);
  const simt::Traffic words = found.reports[1].traffic.at("words");
  return {words.transactions, words.fewest_transactions};
}

TEST_F(SimilarityTrafficTest, ChunksAreFilledAndReadWithoutBankConflicts) {
  const auto [one, fewest_one] = bank_passes(64);
  const auto [three, fewest_three] = bank_passes(192);
  // The same set-up of a block in both; the two chunks more cost no pass too many.
  EXPECT_EQ(three - one, fewest_three - fewest_one);
  EXPECT_GT(three - one, 2u * 2 * (kTileRows + 64) * kLineWords / 8);
}

TEST_F(SimilarityTrafficTest, AnIndexHasNormsToTheBitAndBoundsThatHold) {
  const auto search = random_search<Half>(Kind::kCosine, 1, 300, 40, 1, 3);
  const EmulatedIndex<Half> index(search);
  for (int row = 0; row < 300; ++row) {
    const auto x = [&](int d) { return true_value(search, row, d); };
    const float norm = std::sqrt(similarity_dot(40, x, x));
    ASSERT_EQ(index.norms[static_cast<std::size_t>(row)], norm);
    ASSERT_EQ(index.multipliers[static_cast<std::size_t>(row)], 1 / norm);
    double operand = 0, error = 0;
    for (int d = 0; d < 40; ++d) {
      const double rounded = to_float(from_float<BFloat16>(x(d)));
      operand += rounded * rounded;
      error += (x(d) - rounded) * (x(d) - rounded);
    }
    const SimilarityBlockBounds& bounds = index.bounds[static_cast<std::size_t>(row / 256)];
    ASSERT_GE(bounds.product, std::sqrt(operand) / norm);
    ASSERT_GE(bounds.rounding, std::sqrt(error) / norm);
    ASSERT_GE(bounds.norm, norm);
    ASSERT_GE(bounds.multiplier, 1 / norm);
    ASSERT_LE(bounds.product, 1.01);
  }
}

}  // namespace
}  // namespace salus::kernels::similarity
