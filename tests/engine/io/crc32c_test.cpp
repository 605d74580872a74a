#include "engine/io/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

std::uint32_t crc_of(const std::string& text) { return crc32c(std::as_bytes(std::span(text))); }

TEST(Crc32cTest, MatchesTheStandardsVectors) {
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of("123456789"), 0xe3069283u);
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720 B.4
  EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32cTest, GoesOnFromASeed) {
  const std::string text = "the quick brown fox jumps";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto rest = std::as_bytes(std::span(text)).subspan(cut);
    EXPECT_EQ(crc32c(rest, crc_of(text.substr(0, cut))), crc_of(text));
  }
}

TEST(Crc32cTest, IsTheSameWithAndWithoutTheProcessorsInstruction) {
  test::Rng rng(7);
  for (std::size_t size = 0; size < 40; ++size) {
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(rng());
    EXPECT_EQ(crc32c(bytes, 123), crc32c_portable(bytes, 123)) << size;
  }
}

}  // namespace
}  // namespace salus::io
