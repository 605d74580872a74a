#include "engine/train/parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/memory_dataset.h"

namespace salus::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Cases that are read from files each time unless they are cached, as images are.
class OnDisk : public test::MemoryDataset {
 public:
  std::int64_t cache_bytes() const override { return 100; }
  void cache(const std::function<void(std::int64_t, std::int64_t)>&) override { read = true; }
  bool read = false;
};

/// A training and a validation case of other patients, with the same contents.
template <typename Part>
Parts equal_parts() {
  const auto part = [](const char* patient) {
    auto cases = std::make_unique<Part>();
    cases->add(patient, {1}, /*hash=*/7);
    return cases;
  };
  Parts parts;
  parts.train = part("a");
  parts.valid = part("b");
  return parts;
}

void cache(Parts& parts, const std::string& toml) {
  cache_parts(parts, Config::parse(toml, "test.toml"), [](const std::string&) {});
}

TEST(DuplicateWarningsTest, FindWhatIsInMemory) {
  Parts parts = equal_parts<OnDisk>();
  cache(parts, "cache = true");
  EXPECT_TRUE(parts.cached);
  EXPECT_TRUE(dynamic_cast<const OnDisk&>(*parts.valid).read);
  EXPECT_THAT(duplicate_warnings(parts), ElementsAre(HasSubstr("same contents")));
}

TEST(DuplicateWarningsTest, SayThatNobodyLookedAtWhatIsNot) {
  Parts parts = equal_parts<OnDisk>();
  cache(parts, "cache = false");
  EXPECT_FALSE(parts.cached);
  EXPECT_FALSE(dynamic_cast<const OnDisk&>(*parts.train).read);
  EXPECT_THAT(duplicate_warnings(parts),
              ElementsAre("Not looked for equal images in two parts: the data are not in memory."));
}

TEST(DuplicateWarningsTest, OneMissingPartHasNoEqual) {
  Parts parts = equal_parts<OnDisk>();
  parts.valid.reset();
  cache(parts, "cache = false");
  EXPECT_THAT(duplicate_warnings(parts), IsEmpty());
}

TEST(DuplicateWarningsTest, WhatTakesNoMoreMemoryIsLookedAtWhateverTheConfigurationSays) {
  for (const char* toml : {"", "cache = true", "cache = false"}) {
    Parts parts = equal_parts<test::MemoryDataset>();  // as stays are
    cache(parts, toml);
    EXPECT_TRUE(parts.cached) << toml;
    EXPECT_THAT(duplicate_warnings(parts), ElementsAre(HasSubstr("same contents"))) << toml;
  }
}

}  // namespace
}  // namespace salus::train
