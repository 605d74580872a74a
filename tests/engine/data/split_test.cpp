#include "engine/data/split.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/io/error.h"
#include "tests/support/memory_dataset.h"

namespace salus::data {
namespace {

using ::testing::HasSubstr;

/// 100 patients with three cases each; a quarter of the patients has positive cases.
test::MemoryDataset clinic() {
  test::MemoryDataset dataset;
  for (int i = 0; i < 300; ++i) {
    const int patient = i % 100;
    dataset.add("P" + std::to_string(patient), {patient % 4 == 0 ? 1.0F : 0.0F}, i);
  }
  return dataset;
}

std::set<std::string> patients(const Dataset& dataset, const std::vector<std::int64_t>& cases) {
  std::set<std::string> names;
  for (const auto i : cases) names.insert(dataset.info(i).patient);
  return names;
}

double prevalence(const Dataset& dataset, const std::vector<std::int64_t>& cases) {
  double positive = 0;
  for (const auto i : cases) positive += dataset.info(i).target[0];
  return positive / static_cast<double>(cases.size());
}

TEST(SplitTest, PutsEachPatientWhollyOnOneSide) {
  const auto dataset = clinic();
  const auto split = split_by_patient(dataset, 0.2, 0.2, 7);
  EXPECT_EQ(split.train.size() + split.valid.size() + split.test.size(), 300U);
  EXPECT_EQ(patients(dataset, split.valid).size(), 20U);
  EXPECT_EQ(patients(dataset, split.test).size(), 20U);
  EXPECT_NO_THROW(refuse_shared_patients(dataset, split.train, dataset, split.valid));
  EXPECT_NO_THROW(refuse_shared_patients(dataset, split.train, dataset, split.test));
  EXPECT_NO_THROW(refuse_shared_patients(dataset, split.valid, dataset, split.test));
}

TEST(SplitTest, KeepsThePrevalenceOnAllSides) {
  const auto dataset = clinic();
  const auto split = split_by_patient(dataset, 0.2, 0.2, 7);
  EXPECT_NEAR(prevalence(dataset, split.train), 0.25, 1e-12);
  EXPECT_NEAR(prevalence(dataset, split.valid), 0.25, 1e-12);
  EXPECT_NEAR(prevalence(dataset, split.test), 0.25, 1e-12);
}

TEST(SplitTest, DependsOnTheSeedAlone) {
  const auto dataset = clinic();
  EXPECT_EQ(split_by_patient(dataset, 0.2, 0.2, 7).test,
            split_by_patient(dataset, 0.2, 0.2, 7).test);
  EXPECT_NE(split_by_patient(dataset, 0.2, 0.2, 7).test,
            split_by_patient(dataset, 0.2, 0.2, 8).test);
}

TEST(SplitTest, FoldsTestEachCaseOnce) {
  const auto dataset = clinic();
  std::map<std::int64_t, int> tested;
  for (int fold = 0; fold < 5; ++fold) {
    const auto split = fold_by_patient(dataset, 5, fold, 0.25, 3);
    EXPECT_EQ(patients(dataset, split.test).size(), 20U);
    EXPECT_NO_THROW(refuse_shared_patients(dataset, split.train, dataset, split.test));
    EXPECT_NO_THROW(refuse_shared_patients(dataset, split.valid, dataset, split.test));
    EXPECT_NO_THROW(refuse_shared_patients(dataset, split.train, dataset, split.valid));
    for (const auto i : split.test) ++tested[i];
  }
  EXPECT_EQ(tested.size(), 300U);
  EXPECT_TRUE(std::all_of(tested.begin(), tested.end(), [](auto& t) { return t.second == 1; }));
}

TEST(SplitTest, CasesWithoutPatientAreTheirOwn) {
  test::MemoryDataset dataset;
  for (int i = 0; i < 10; ++i) dataset.add("", {i < 5 ? 1.0F : 0.0F});
  const auto split = split_by_patient(dataset, 0.2, 0, 1);
  EXPECT_EQ(split.valid.size(), 2U);
  EXPECT_EQ(split.train.size(), 8U);
}

TEST(SplitTest, RefusesFractionsThatLeaveNothing) {
  const auto dataset = clinic();
  EXPECT_THROW(split_by_patient(dataset, 0.5, 0.5, 1), UsageError);
  EXPECT_THROW(split_by_patient(dataset, -0.1, 0, 1), UsageError);
  EXPECT_THROW(split_by_patient(dataset, 0.001, 0, 1), UsageError);
  EXPECT_THROW(fold_by_patient(dataset, 5, 5, 0.2, 1), UsageError);
  EXPECT_THROW(fold_by_patient(dataset, 1, 0, 0.2, 1), UsageError);
}

TEST(SplitTest, RefusesAPatientOnBothSidesWithoutNamingHim) {
  const auto dataset = clinic();
  try {
    refuse_shared_patients(dataset, {0, 1}, dataset, {101, 202});
    FAIL() << "patient P1 is on both sides";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("1 patients have cases on both sides"));
    EXPECT_THAT(error.what(), HasSubstr("positions 1 and 101"));
    EXPECT_THAT(error.what(), Not(HasSubstr("P1")));
  }
}

TEST(SplitTest, FindsEqualPixels) {
  test::MemoryDataset dataset;
  for (const std::uint64_t hash : {11, 22, 33, 22, 11}) dataset.add("", {0.0F}, hash);
  const auto pairs = shared_pixels(dataset, {0, 1, 2}, dataset, {3, 4}, 10);
  EXPECT_EQ(pairs, (std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 3}, {0, 4}}));
  EXPECT_EQ(shared_pixels(dataset, {0, 1, 2}, dataset, {3, 4}, 1).size(), 1U);
  EXPECT_TRUE(shared_pixels(dataset, {2}, dataset, {3, 4}, 10).empty());
}

}  // namespace
}  // namespace salus::data
