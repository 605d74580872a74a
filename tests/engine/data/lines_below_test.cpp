#include "engine/data/lines_below.h"

#include <gmock/gmock.h>

namespace salus::data {
namespace {

TEST(LinesBelowTest, OfManyTheFirstTwentyAreNamed) {
  EXPECT_EQ(lines_below({}), "");
  EXPECT_EQ(lines_below({"a", "b"}), "\n  a\n  b");
  std::vector<std::string> lines(20, "x");
  EXPECT_THAT(lines_below(lines), ::testing::EndsWith("\n  x"));
  lines.insert(lines.end(), 3, "y");
  EXPECT_THAT(lines_below(lines), ::testing::EndsWith("\n  x\n  and 3 more."));
}

}  // namespace
}  // namespace salus::data
