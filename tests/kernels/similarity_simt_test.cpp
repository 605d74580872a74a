#include <ATen/ops/from_blob.h>

#include "kernels/similarity.h"
#include "tests/kernels/similarity_brute.h"

// The text of the CUDA kernels under the emulator: exact lists to the bit, whatever the shape.
namespace salus::kernels::similarity {
namespace {

constexpr Kind kKinds[] = {Kind::kInnerProduct, Kind::kCosine, Kind::kL2};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
class SimilarityBodyTest : public ::testing::Test {};
using Types = ::testing::Types<BFloat16, Half, float, std::int8_t>;
TYPED_TEST_SUITE(SimilarityBodyTest, Types);

TYPED_TEST(SimilarityBodyTest, ListsAreExactForEveryMetric) {
  for (const Kind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    const auto search = random_search<TypeParam>(kind, 9, 300, 40, 10, 7);
    const Found found = emulate(search);
    expect_exact(search, found);
    for (int r = 0; r < search.k; ++r) {
      const double expected = score64(search, 0, found.ids[static_cast<std::size_t>(r)]);
      EXPECT_NEAR(found.scores[static_cast<std::size_t>(r)], expected, 1e-5 * std::abs(expected));
    }
  }
}

TYPED_TEST(SimilarityBodyTest, TheFirstPassIsCertainOfRandomRows) {
  for (const Kind kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    auto search = random_search<TypeParam>(kind, 3, 300, 64, 4, 11);
    search.exact = false;
    search.candidates = 64;
    const Found found = emulate(search);
    ASSERT_EQ(found.plan.first.keep, 32);
    expect_exact(search, found);
  }
}

TYPED_TEST(SimilarityBodyTest, AnUncertainListBoundsWhatWasLeftOut) {
  // k candidates alone cannot prove that nothing better was left out.
  auto search = random_search<TypeParam>(Kind::kCosine, 8, 300, 33, 5, 3);
  search.exact = false;
  search.candidates = 5;
  const Found found = emulate(search);
  int uncertain = 0;
  for (std::size_t q = 0; q < 8; ++q) {
    uncertain += found.certain[q] ? 0 : 1;
    const float last = found.scores[q * 5 + 4];
    for (std::int64_t row = 0; row < 300; ++row) {
      const auto begin = found.ids.begin() + static_cast<std::ptrdiff_t>(q * 5);
      if (std::find(begin, begin + 5, row) != begin + 5) continue;
      ASSERT_LE(true_score(search, static_cast<std::int64_t>(q), row), last + found.bound[q]);
    }
    EXPECT_EQ(found.certain[q], found.bound[q] == 0) << q;
  }
  EXPECT_GT(uncertain, 0);
  search.exact = true;
  expect_exact(search, emulate(search));
}

TYPED_TEST(SimilarityBodyTest, SizesAroundEveryTileEdgeAreExact) {
  struct Shape {
    int queries, rows, dim, k;
  };
  constexpr int kChunk = kChunkBytes / static_cast<int>(sizeof(TypeParam));
  const Shape shapes[] = {{1, 1, 1, 1},
                          {1, 127, 7, 3},
                          {2, 128, kChunk - 1, 1},
                          {8, 129, kChunk, 2},
                          {1, 257, kChunk + 1, 4},
                          {1, 5, 16, 9},
                          {1, 300, 3 * kChunk + 5, 2}};
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.queries << " of " << shape.rows << " x " << shape.dim);
    const auto search =
        random_search<TypeParam>(Kind::kL2, shape.queries, shape.rows, shape.dim, shape.k, 21);
    expect_exact(search, emulate(search));
  }
}

TYPED_TEST(SimilarityBodyTest, RowsOffTheirAlignmentGiveTheSameBits) {
  const auto search = random_search<TypeParam>(Kind::kInnerProduct, 2, 140, 32, 3, 5);
  const Found aligned = emulate(search);
  EmulatorOptions options;
  options.shift = 1;
  const Found shifted = emulate(search, options);
  EXPECT_TRUE(aligned.plan.first.vectors);
  EXPECT_FALSE(shifted.plan.first.vectors);
  expect_exact(search, aligned);
  expect_exact(search, shifted);
}

TYPED_TEST(SimilarityBodyTest, NanInfiniteAndZeroRowsAreNotFound) {
  for (const Kind kind : kKinds) {
    auto search = random_search<TypeParam>(kind, 3, 60, 20, 60, 13);
    const auto put = [&](int row, float value) {
      if constexpr (std::is_same_v<TypeParam, std::int8_t>) {
        search.scales[static_cast<std::size_t>(row)] = value;
      } else {
        for (int d = 0; d < 20; ++d) {
          if (value == 0 || d == 3) {
            search.rows[static_cast<std::size_t>(row * 20 + d)] = from_float<TypeParam>(value);
          }
        }
      }
    };
    put(4, kNan);
    put(17, kInfinity);
    put(18, -kInfinity);
    put(59, 0);
    search.queries[1 * 20 + 2] = kNan;
    for (int d = 0; d < 20; ++d) search.queries[static_cast<std::size_t>(2 * 20 + d)] = 0;
    expect_exact(search, emulate(search));
  }
}

TYPED_TEST(SimilarityBodyTest, EqualScoresRankByRow) {
  for (const Kind kind : kKinds) {
    std::mt19937 random(4);
    auto search = random_search<TypeParam>(kind, 4, 270, 6, 20, 13);
    for (auto& scale : search.scales) scale = 0.5f;
    for (auto& value : search.rows) {
      const int whole = static_cast<int>(random() % 3) - 1;
      if constexpr (std::is_same_v<TypeParam, std::int8_t>) {
        value = static_cast<std::int8_t>(whole);
      } else {
        value = from_float<TypeParam>(static_cast<float>(whole));
      }
    }
    for (auto& value : search.queries) value = static_cast<float>(random() % 3) - 1;
    search.queries[0] = 1;
    expect_exact(search, emulate(search));
  }
}

TYPED_TEST(SimilarityBodyTest, ExactRowsDecideAndStoredRowsOnlyFind) {
  auto search = random_search<TypeParam>(Kind::kL2, 3, 200, 24, 5, 17);
  std::mt19937_64 random(6);
  std::normal_distribution<float> noise(0, 0.01f);
  for (std::int64_t row = 0; row < 200; ++row) {
    for (int d = 0; d < 24; ++d) {
      const auto at = static_cast<std::size_t>(row * 24 + d);
      float value = noise(random);
      if constexpr (std::is_same_v<TypeParam, std::int8_t>) {
        value += search.scales[static_cast<std::size_t>(row)] * search.rows[at];
      } else {
        value += to_float(search.rows[at]);
      }
      search.exact_rows.push_back(value);
    }
  }
  expect_exact(search, emulate(search));
}

/// 32 values of +1 and 32 of -1 in random order, in each line.
template <typename T>
void put_balanced_signs(std::vector<T>& values, std::mt19937_64& random) {
  for (std::size_t begin = 0; begin < values.size(); begin += 64) {
    for (std::size_t i = 0; i < 64; ++i) {
      const int sign = i % 2 == 0 ? 1 : -1;
      if constexpr (std::is_same_v<T, std::int8_t>) {
        values[begin + i] = static_cast<T>(sign);
      } else {
        values[begin + i] = from_float<T>(static_cast<float>(sign));
      }
    }
    std::shuffle(values.begin() + static_cast<std::ptrdiff_t>(begin),
                 values.begin() + static_cast<std::ptrdiff_t>(begin + 64), random);
  }
}

// Fast products round 1 + d to 1 if |d| < 2^-12, so that all of the rows below look alike to them:
// only the bound on their error can tell that the order is not known yet.
float barely(float value, std::mt19937_64& random) {
  std::uniform_real_distribution<float> little(-0x1p-12f, 0x1p-12f);
  return value * (1 + little(random));
}

TYPED_TEST(SimilarityBodyTest, RowsThatDifferByWhatRoundingTheQueryTakesAwayAreExact) {
  std::mt19937_64 random(71);
  for (const Kind kind : kKinds) {
    auto search = random_search<TypeParam>(kind, 2, 200, 64, 5, 73);
    for (float& scale : search.scales) scale = 1;
    put_balanced_signs(search.rows, random);
    for (float& value : search.queries) value = barely(1, random);
    // With one split its list alone is no longer than `keep`: only its flag tells of the rest.
    EmulatorOptions options;
    options.limits.processors = kind == Kind::kCosine ? 1 : 3;
    expect_exact(search, emulate(search, options));
  }
}

TYPED_TEST(SimilarityBodyTest, RowsThatDifferByWhatRoundingThemTakesAwayAreExact) {
  std::mt19937_64 random(79);
  for (const Kind kind : kKinds) {
    auto search = random_search<TypeParam>(kind, 2, 200, 64, 5, 83);
    for (float& scale : search.scales) scale = 1;
    put_balanced_signs(search.rows, random);
    put_balanced_signs(search.queries, random);
    // The same row over and over, but for what the stored type or the fast product drops.
    for (std::size_t i = 64; i < search.rows.size(); ++i) search.rows[i] = search.rows[i % 64];
    std::vector<float> values;
    for (std::int64_t row = 0; row < 200; ++row) {
      for (int d = 0; d < 64; ++d) values.push_back(barely(true_value(search, row, d), random));
    }
    if constexpr (std::is_same_v<TypeParam, float>) {
      search.rows = values;
    } else {
      search.exact_rows = values;
    }
    expect_exact(search, emulate(search));
  }
}

template <typename T>
at::Tensor tensor_of(const std::vector<T>& values, std::int64_t columns, at::ScalarType type) {
  const auto rows = static_cast<std::int64_t>(values.size()) / columns;
  return at::from_blob(const_cast<T*>(values.data()), {rows, columns}, type).clone();
}

TYPED_TEST(SimilarityBodyTest, ListsAreThoseOfTheCpuOperatorToTheBit) {
  constexpr at::ScalarType kType = std::is_same_v<TypeParam, float>      ? at::kFloat
                                   : std::is_same_v<TypeParam, Half>     ? at::kHalf
                                   : std::is_same_v<TypeParam, BFloat16> ? at::kBFloat16
                                                                         : at::kChar;
  for (const Kind kind : kKinds) {
    auto search = random_search<TypeParam>(kind, 4, 260, 48, 6, 19);
    search.candidates = 24;
    const Found found = emulate(search);
    at::Tensor scales;
    if (kType == at::kChar) scales = tensor_of(search.scales, 1, at::kFloat).flatten();
    const SimilarityIndex index = similarity_prepare(
        tensor_of(search.rows, 48, kType), static_cast<Metric>(static_cast<int>(kind)), scales);
    const SimilarityResult cpu =
        similarity_topk(tensor_of(search.queries, 48, at::kFloat), index, {.k = 6});
    const std::size_t results = found.ids.size();
    ASSERT_EQ(cpu.ids.numel(), static_cast<std::int64_t>(results));
    EXPECT_EQ(std::memcmp(cpu.ids.const_data_ptr(), found.ids.data(), results * 8), 0);
    EXPECT_EQ(std::memcmp(cpu.scores.const_data_ptr(), found.scores.data(), results * 4), 0);
  }
}

TEST(SimilarityBodyShapeTest, OrderOfThreadsAndSplitsDoNotChangeTheBits) {
  const auto search = random_search<BFloat16>(Kind::kCosine, 5, 600, 20, 7, 31);
  for (int processors = 1; processors < 6; processors += 2) {
    EmulatorOptions options;
    options.limits.processors = processors;
    options.order.seed = 40 + static_cast<std::uint64_t>(processors);
    const Found found = emulate(search, options);
    EXPECT_EQ(found.plan.first.splits, processors);
    expect_exact(search, found);
  }
}

TEST(SimilarityBodyShapeTest, ManyQueriesAreDoneInTilesOf64) {
  const auto search = random_search<Half>(Kind::kInnerProduct, 66, 200, 20, 3, 37);
  const Found found = emulate(search);
  EXPECT_EQ(found.plan.first.query_tile, kManyQueries);
  EXPECT_EQ(found.plan.first.tiles, 2);
  expect_exact(search, found);
}

TEST(SimilarityBodyShapeTest, QueriesThatDoNotFitComeAlongWithTheRows) {
  const auto search = random_search<float>(Kind::kCosine, 3, 130, 2100, 2, 41);
  const Found found = emulate(search);
  EXPECT_FALSE(found.plan.first.resident);
  expect_exact(search, found);
}

TEST(SimilarityBodyShapeTest, AnEmptyIndexFindsNothing) {
  const auto search = random_search<BFloat16>(Kind::kL2, 2, 0, 20, 3, 43);
  expect_exact(search, emulate(search));
}

TEST(SimilarityBodyShapeTest, ALongListOfRowsThatGetEverBetterIsExact) {
  // Each row beats all before it: the candidates are cut back as often as can be.
  auto search = random_search<float>(Kind::kInnerProduct, 2, 900, 1, 150, 47);
  search.queries = {1, -1};
  for (int i = 0; i < 900; ++i) search.rows[static_cast<std::size_t>(i)] = static_cast<float>(i);
  EmulatorOptions options;
  options.limits.processors = 1;
  const Found found = emulate(search, options);
  EXPECT_LT(found.plan.first.capacity, 450);
  expect_exact(search, found);
}

TEST(SimilarityBodyShapeTest, TheLongestListFitsTheSmallestDevice) {
  auto search = random_search<BFloat16>(Kind::kInnerProduct, 1, 1400, 4, 1024, 53);
  EmulatorOptions options;
  options.limits = {2, 163 * 1024};
  expect_exact(search, emulate(search, options));
}

TEST(SimilarityBodyShapeTest, ListsOf48KbAreAskedForBecauseOfTheStaticArraysBesideThem) {
  const auto search = random_search<BFloat16>(Kind::kInnerProduct, 1, 720, 4, 703, 53);
  const Found found = emulate(search);
  EXPECT_EQ(found.plan.merge_shared[1], kUnaskedSharedBytes);
  expect_exact(search, found);
}

TEST(SimilarityBodyShapeTest, AProductThatOverflowsIsStillExact) {
  auto search = random_search<float>(Kind::kInnerProduct, 2, 40, 2, 6, 59);
  for (float& value : search.queries) value *= 1e18f;
  for (float& value : search.rows) value *= 4e18f;
  expect_exact(search, emulate(search));
}

class SimilarityBodyFilterTest : public ::testing::Test {
 protected:
  Search<BFloat16> search = random_search<BFloat16>(Kind::kInnerProduct, 9, 200, 16, 6, 61);
  std::mt19937_64 random{5};
};

TEST_F(SimilarityBodyFilterTest, OneMaskHoldsForAllQueries) {
  for (int word = 0; word < 4; ++word) search.mask.push_back(random() & random() & random());
  expect_exact(search, emulate(search));
}

TEST_F(SimilarityBodyFilterTest, AMaskPerQueryHoldsForThatQuery) {
  search.mask_per_query = true;
  for (int word = 0; word < 9 * 4; ++word) search.mask.push_back(random() & random());
  expect_exact(search, emulate(search));
}

TEST_F(SimilarityBodyFilterTest, TheExcludedRowIsNotFound) {
  const Found all = emulate(search);
  for (int q = 0; q < 9; ++q) {
    search.exclude.push_back(q == 4 ? -1 : all.ids[static_cast<std::size_t>(q * 6)]);
  }
  expect_exact(search, emulate(search));
}

TEST_F(SimilarityBodyFilterTest, AMaskThatLetsFewerThanKThroughGivesAShortList) {
  search.mask = {1u << 5, 0, 1u << 9, 0};
  expect_exact(search, emulate(search));
}

}  // namespace
}  // namespace salus::kernels::similarity
