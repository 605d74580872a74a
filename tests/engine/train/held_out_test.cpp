#include "engine/train/held_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/io/error.h"

namespace salus::train {
namespace {

using ::testing::HasSubstr;

/// Cases that hold nothing but their identity.
class Names : public data::Dataset {
 public:
  explicit Names(std::vector<data::CaseInfo> cases) : cases_(std::move(cases)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(cases_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return cases_.at(i); }
  Batch load(at::IntArrayRef) const override { return {}; }
  std::uint64_t content_hash(std::int64_t) const override { return 0; }

 private:
  std::vector<data::CaseInfo> cases_;
};

/// 40 cases of 20 patients, every fourth patient positive.
class NameSource : public data::Source {
 public:
  NameSource() {
    for (int i = 0; i < 40; ++i) {
      data::CaseInfo info;
      info.id = "case" + std::to_string(i);
      info.patient = "patient" + std::to_string(i / 2);
      info.target = {i / 2 % 4 == 0 ? 1.F : 0.F};
      cases_.push_back(info);
    }
  }
  const std::vector<data::CaseInfo>& cases() const override { return cases_; }
  std::unique_ptr<data::Dataset> open(const std::vector<std::int64_t>& positions) const override {
    std::vector<data::CaseInfo> some;
    for (const auto i : positions) some.push_back(cases_.at(i));
    return std::make_unique<Names>(std::move(some));
  }
  std::string transform_toml() const override { return ""; }
  void describe(ModelSpec&) const override {}

 private:
  std::vector<data::CaseInfo> cases_;
};

Parts parts_of(const std::string& split) {
  const Config config = Config::parse("[split]\n" + split, "test.toml");
  return read_parts(std::make_unique<NameSource>(), config);
}

std::set<std::string> ids(const Subset& subset) {
  std::set<std::string> found;
  for (const auto i : subset.positions) found.insert(subset.dataset->info(i).id);
  return found;
}

std::set<std::string> ids(const data::Dataset& dataset) {
  std::set<std::string> found;
  for (std::int64_t i = 0; i < dataset.size(); ++i) found.insert(dataset.info(i).id);
  return found;
}

TEST(HeldOutTest, WithoutTurnsAllMembersHaveTheSameParts) {
  const Parts parts = parts_of("valid = 0.25\ntest = 0.2\n");
  for (const std::size_t member : {0, 3}) {
    EXPECT_EQ(ids(training_cases(parts, member)), ids(*parts.train));
    EXPECT_EQ(ids(validation_cases(parts, member)), ids(*parts.valid));
    EXPECT_EQ(&held_out_from(parts, member), parts.valid.get());
  }
  require_turns(parts, 1);
}

TEST(HeldOutTest, InTurnsEveryCaseIsHeldOutOnceFromAllItsPatientsNetworks) {
  const Parts parts = parts_of("valid = 0.25\ntest = 0.2\nmember_folds = 4\n");
  EXPECT_EQ(parts.valid, nullptr);
  EXPECT_EQ(parts.train->size(), 32);  // validation cases have joined
  std::set<std::string> all;
  for (std::size_t member = 0; member < 4; ++member) {
    const auto held = ids(validation_cases(parts, member));
    const auto rest = ids(training_cases(parts, member));
    EXPECT_EQ(held, ids(held_out_from(parts, member)));
    EXPECT_EQ(held.size() + rest.size(), 32U);
    EXPECT_EQ(held.size(), 8U);
    for (const auto& id : held) {
      EXPECT_FALSE(rest.contains(id));
      EXPECT_TRUE(all.insert(id).second) << id;
      const int number = std::stoi(id.substr(4));
      EXPECT_TRUE(held.contains("case" + std::to_string(number ^ 1)))
          << "a patient is in two parts";
    }
  }
  EXPECT_EQ(ids(training_cases(parts, 6)), ids(training_cases(parts, 2)));
}

TEST(HeldOutTest, InTurnsNoValidationPartIsNeeded) {
  EXPECT_EQ(parts_of("valid = 0.0\ntest = 0.2\nmember_folds = 2\n").turns.size(), 2U);
}

TEST(HeldOutTest, TooFewNetworksForTheTurnsAreRefused) {
  const Parts parts = parts_of("valid = 0.2\ntest = 0.2\nmember_folds = 4\n");
  require_turns(parts, 4);
  try {
    require_turns(parts, 3);
    FAIL() << "three networks took turns in four parts";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("member_folds = 4"));
    EXPECT_THAT(error.what(), HasSubstr("3 would be trained"));
  }
  EXPECT_THROW(parts_of("valid = 0.2\ntest = 0.2\nmember_folds = 1\n"), UsageError);
}

}  // namespace
}  // namespace salus::train
