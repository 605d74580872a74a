#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tests/support/reference/image_augment.h"

namespace salus::kernels {
namespace {

struct KnownAnswer {
  PhiloxWords counter;
  std::uint64_t key;
  PhiloxWords words;
};

// philox4x32 with 10 rounds in kat_vectors of Random123 1.14 (D. E. Shaw Research).
constexpr KnownAnswer kKnownAnswers[] = {
    {{{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
    {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     0xffffffffffffffff,
     {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
    {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     0x299f31d0a4093822,
     {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
};

TEST(PhiloxTest, GivesTheKnownAnswersOfRandom123) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const PhiloxWords words = philox4x32(known.counter, known.key);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words.w[i], known.words.w[i]);
  }
}

TEST(PhiloxTest, ReferenceGivesTheKnownAnswersToo) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const auto& c = known.counter.w;
    const auto words = reference::philox4x32_10(
        {c[0], c[1], c[2], c[3]},
        {static_cast<std::uint32_t>(known.key), static_cast<std::uint32_t>(known.key >> 32)});
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], known.words.w[i]);
  }
}

TEST(PhiloxTest, LogarithmIsWithinItsStatedError) {
  for (float x = std::numeric_limits<float>::min(); x < 4; x *= 1.0001f) {
    const double exact = std::log(static_cast<double>(x));
    const float computed = natural_log<ScalarMath>(x);
    const double unit =
        std::nextafter(std::abs(computed), 1e30f) - static_cast<double>(std::abs(computed));
    EXPECT_NEAR(computed, exact, std::max(unit, 1e-7)) << "log " << x;
  }
  EXPECT_EQ(natural_log<ScalarMath>(1.0f), 0.0f);
}

TEST(PhiloxTest, PowerIsWithinItsStatedError) {
  for (const float gamma : {0.1f, 0.5f, 0.8f, 1.0f, 1.3f, 2.2f, 7.0f}) {
    for (int i = 0; i <= 20000; ++i) {
      const float x = static_cast<float>(i) / 20000;
      EXPECT_NEAR(unit_power<ScalarMath>(x, gamma), std::pow(double{x}, double{gamma}),
                  x == 0 ? 2e-4 : 1e-6)
          << x << "^" << gamma;
    }
    EXPECT_EQ(unit_power<ScalarMath>(1.0f, gamma), 1.0f);
  }
}

TEST(PhiloxTest, NormalDeviatesFollowBoxMullerWithinTheStatedError) {
  for (std::uint32_t n = 0; n < 200000; ++n) {
    PhiloxWords words = philox4x32({{n, 7, 0, 0}}, 42);
    if (n % 4 == 1) words.w[0] = 0xffffffffu - (words.w[0] >> n % 31);  // radius near 0
    if (n % 4 == 2) words.w[0] >>= n % 31;                              // large radius
    float first = 0, second = 0;
    normal_pair<ScalarMath>(words.w[0], words.w[1], first, second);
    const double radius = std::sqrt(-2 * std::log((words.w[0] + 0.5) * 0x1p-32));
    const double angle = 2 * std::numbers::pi * words.w[1] * 0x1p-32;
    const double cosine = radius * std::cos(angle), sine = radius * std::sin(angle);
    ASSERT_NEAR(first, cosine, 3e-7 * radius);
    ASSERT_NEAR(second, sine, 3e-7 * radius);
  }
}

TEST(PhiloxTest, NormalDeviatesAreFiniteAtTheEndsOfTheWords) {
  for (const std::uint32_t radius : {0u, 1u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu}) {
    for (const std::uint32_t angle : {0u, 1u, 0x1fffffffu, 0x20000000u, 0x40000000u, 0x80000000u,
                                      0xc0000000u, 0xe0000000u, 0xffffffffu}) {
      float first = NAN, second = NAN;
      normal_pair<ScalarMath>(radius, angle, first, second);
      EXPECT_LE(std::abs(first), 6.78f) << radius << " " << angle;
      EXPECT_LE(std::abs(second), 6.78f) << radius << " " << angle;
    }
  }
}

TEST(PhiloxTest, LogarithmOfAWordKeepsItsDigitsAtBothEnds) {
  for (const std::uint32_t word : {0u, 1u, 12345u, 0x7fffffffu, 0x80000000u, 0xbfffffffu,
                                   0xc0000000u, 0xfffffff0u, 0xffffffffu}) {
    // 1 - (word + 1/2) / 2^32 is exact in double.
    const double exact = std::log1p(-((0xffffffffu - word) + 0.5) * 0x1p-32);
    EXPECT_NEAR(log_of_word<ScalarMath>(word), exact, 3e-7 * std::abs(exact)) << word;
  }
}

TEST(PhiloxTest, NormalDeviatesHaveTheMomentsOfTheStandardNormal) {
  constexpr int kCount = 1'000'000;
  double sum = 0, squares = 0, cubes = 0, fourths = 0, products = 0;
  for (std::uint32_t n = 0; n < kCount / 2; ++n) {
    const PhiloxWords words = philox4x32({{n, 0, 1, 0}}, 3);
    float pair[2];
    normal_pair<ScalarMath>(words.w[0], words.w[1], pair[0], pair[1]);
    products += double{pair[0]} * pair[1];
    for (const double z : pair) {
      sum += z, squares += z * z, cubes += z * z * z, fourths += z * z * z * z;
    }
  }
  // Five standard errors of each moment of 10^6 deviates.
  EXPECT_NEAR(sum / kCount, 0, 5e-3);
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2e-6));
  EXPECT_NEAR(cubes / kCount, 0, 5 * std::sqrt(15e-6));
  EXPECT_NEAR(fourths / kCount, 3, 5 * std::sqrt(96e-6));
  EXPECT_NEAR(products / (kCount / 2), 0, 5 * std::sqrt(2e-6));
}

}  // namespace
}  // namespace salus::kernels
