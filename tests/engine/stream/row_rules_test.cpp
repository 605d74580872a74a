// The bundle's rules for rows in a stream, and what is said of rows that it leaves out.
#include "engine/stream/stream_remarks.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A model of one label a bin, whose bundle reads rows by `rules` (TOML of [transform.rows]).
std::shared_ptr<const StreamModel> ruled_model(const std::string& rules,
                                               const StreamOptions& options = {}) {
  const std::string transform = kSmallTransform + std::string("[rows]\n") + rules;
  return std::make_shared<StreamModel>(small_bundle({"death", "sepsis"}, transform),
                                       std::make_shared<SumNetwork>(6, 2), options);
}

std::vector<Fate> fates_of(VitalsStream& stream, const std::vector<StreamEvent>& events) {
  std::vector<Fate> fates;
  for (const StreamEvent& event : events) {
    stream.push(event);
    fates.push_back(stream.fate());
  }
  return fates;
}

const std::vector<StreamEvent> kOutOfOrder = {{.time = 0.2, .variable = "HR", .value = 80},
                                              {.time = 0.1, .variable = "HR", .value = 200},
                                              {.time = 0.2, .variable = "Temp", .value = 38},
                                              {.time = 0.3, .variable = "HR", .value = 90}};

TEST(StreamRowRules, UnsortedRowsAreTakenLeftOutOrRefusedAsTheBundleSays) {
  VitalsStream accepts(ruled_model("unsorted = 'accept'\n"));
  EXPECT_THAT(fates_of(accepts, kOutOfOrder),
              ElementsAre(Fate::kUsed, Fate::kUsed, Fate::kUsed, Fate::kUsed));
  VitalsStream sorted(ruled_model(""));
  fates_of(sorted, {kOutOfOrder[0], kOutOfOrder[2], kOutOfOrder[3]});
  for (const std::string policy : {"drop", "refuse"}) {
    const auto model = ruled_model("unsorted = '" + policy + "'\n");
    VitalsStream stream(model);
    EXPECT_THAT(fates_of(stream, kOutOfOrder),
                ElementsAre(Fate::kUsed, Fate::kUnsorted, Fate::kUsed, Fate::kUsed));
    EXPECT_EQ(stream.counts().unsorted, 1U);
    EXPECT_EQ(stream.risk().probabilities, sorted.risk().probabilities) << "as if it had not come";
    EXPECT_EQ(model->refuses(Fate::kUnsorted), policy == "refuse");
  }
}

TEST(StreamRowRules, AnOptionGoesBeforeTheBundlesRule) {
  VitalsStream stream(ruled_model("unsorted = 'refuse'\n", {.unsorted = io::RowPolicy::kAccept}));
  EXPECT_EQ(fates_of(stream, kOutOfOrder)[1], Fate::kUsed);
}

TEST(StreamRowRules, FutureRowsAreTakenLeftOutOrRefusedAsTheBundleSays) {
  const std::vector<StreamEvent> events = {{.time = 0.1, .variable = "HR", .value = 80},
                                           {.time = 3, .variable = "HR", .value = 200},
                                           {.time = 0.2, .variable = "HR", .value = 90}};
  VitalsStream accepts(ruled_model("future = 'accept'\nlatest = 2.0\n"));
  EXPECT_EQ(fates_of(accepts, events)[1], Fate::kUsed);
  for (const std::string policy : {"drop", "refuse"}) {
    const auto model = ruled_model("unsorted = 'drop'\nfuture = '" + policy + "'\nlatest = 2.0\n");
    VitalsStream stream(model);
    EXPECT_THAT(fates_of(stream, events), ElementsAre(Fate::kUsed, Fate::kFuture, Fate::kUsed))
        << "what comes after a future row is not unsorted by it";
    EXPECT_EQ(stream.risk().bin, 0);
    EXPECT_EQ(model->refuses(Fate::kFuture), policy == "refuse");
  }
}

TEST(StreamRowRules, ARefusedRowIsNamedByItsLineAndOtherStaysGoOn) {
  StreamPool pool(ruled_model("unsorted = 'refuse'\nduplicates = 'refuse'\n"));
  std::vector<std::string> said;
  const StreamPool::Scored note = [&](std::string_view stay, const Risk&) {
    said.emplace_back(stay);
  };
  pool.push(std::vector<PoolEvent>{{"a", {0.2, "HR", 80}, 2},
                                   {"b", {0.3, "HR", 80}, 3},
                                   {"a", {0.1, "HR", 80}, 4},
                                   {"b", {0.3, "HR", 90}, 5},
                                   {"b", {0.4, "HR", 85}, 6}},
            0, note);
  EXPECT_THAT(said, ElementsAre("a", "b"));
  const auto refusals = pool.take_refusals();
  ASSERT_EQ(refusals.size(), 2U);
  EXPECT_EQ(refusals[0].line, 4);
  EXPECT_EQ(refusals[0].fate, Fate::kUnsorted);
  EXPECT_EQ(refusals[1].line, 5);
  EXPECT_EQ(refusals[1].fate, Fate::kRepeated);
  EXPECT_THAT(pool.take_refusals(), IsEmpty());
  pool.push(std::vector<PoolEvent>{{"a", {0.5, "HR", 80}, 7}}, 0, note);
  EXPECT_THAT(pool.take_refusals(), IsEmpty());
}

TEST(StreamRemarks, SayHowManyRowsOfEachKindWereLeftOut) {
  const auto model = ruled_model("unsorted = 'refuse'\n", {.latest = 3});
  StreamPool pool(model);
  const float missing = std::nanf("");
  pool.push(std::vector<PoolEvent>{{"a", {0.2, "HR", 80}},
                                   {"a", {0.3, "Mood", 1}},
                                   {"a", {0.3, "Mood", 2}},
                                   {"a", {0.3, "Temp", 38, "furlong"}},
                                   {"a", {0.4, "HR", 500}},
                                   {"a", {0.1, "HR", 80}},
                                   {"a", {50, "HR", 80}},
                                   {"b", {-1, "HR", 80}},
                                   {"b", {0.1, "HR", missing}},
                                   {"b", {std::nan(""), "HR", 80}}},
            0, {});
  const StreamTally tally{pool.fates(), 2, 1};
  EXPECT_EQ(rows_of(tally), 13);
  EXPECT_EQ(skipped_rows(tally, *model), 4);
  EXPECT_EQ(
      stream_remarks(tally, *model),
      "Read 13 rows with 1 missing value; 2 rows of unknown variables (dropped), 1 row in an "
      "unknown unit (dropped), 1 value outside of its plausible range (dropped), 1 row "
      "outside of the hours that the model sees (dropped), 1 future row (dropped), 1 unsorted "
      "row (refused), 1 row without a time (dropped), 2 rows not readable (skipped), 1 row of "
      "stays for which there was no room (skipped).");
}

TEST(StreamRemarks, SayHowFarTheHistoryReachesForLateRows) {
  const auto model = small_model({.history = 1});
  StreamPool pool(model);
  pool.push(std::vector<PoolEvent>{{"a", {3, "HR", 80}}, {"a", {0.1, "HR", 80}}}, 0, {});
  EXPECT_EQ(stream_remarks({pool.fates()}, *model),
            "Read 2 rows; 1 late row (dropped; the history reaches back 1 bin).");
}

TEST(StreamRemarks, AreNoneIfEveryRowWasTaken) {
  const auto model = small_model();
  StreamPool pool(model);
  pool.push(std::vector<PoolEvent>{{"a", {0.1, "HR", 80}}, {"a", {0.1, "HR", std::nanf("")}}}, 0,
            {});
  EXPECT_EQ(stream_remarks({pool.fates()}, *model), "");
  EXPECT_EQ(skipped_rows({pool.fates()}, *model), 0);
}

}  // namespace
}  // namespace salus::stream
