#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "kernels/clahe.h"
#include "kernels/histogram_equalize.h"
#include "tests/kernels/clahe_cases.h"

// Equal to the bit to what OpenCV makes of real and computed pixels.
namespace salus::kernels {
namespace {

struct Case {
  std::string operation, input;
  int bits = 0, height = 0, width = 0;
  ClaheSpec spec;
  std::vector<int> expected;
};

std::vector<unsigned char> bytes_of(const std::string& name) {
  std::ifstream file("tests/data/clahe/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int little_endian(const std::vector<unsigned char>& bytes, std::size_t at, int size) {
  return size == 1 ? bytes.at(at) : bytes.at(at) + 256 * bytes.at(at + 1);
}

std::vector<Case> read_cases() {
  const auto results = bytes_of("results.bin");
  std::ifstream lines("tests/data/clahe/cases.txt");
  std::vector<Case> cases;
  std::size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Case c;
    words >> c.operation >> c.input >> c.bits >> c.height >> c.width >> c.spec.clip_limit >>
        c.spec.tiles_x >> c.spec.tiles_y;
    EXPECT_FALSE(words.fail()) << line;
    c.spec.bits = c.bits;
    for (int i = 0; i < c.height * c.width; ++i) {
      c.expected.push_back(little_endian(results, at, c.bits <= 8 ? 1 : 2));
      at += c.bits <= 8 ? 1 : 2;
    }
    cases.push_back(c);
  }
  EXPECT_EQ(at, results.size());
  return cases;
}

at::Tensor input_of(const Case& c) {
  if (c.input == "picture") return picture(c.height, c.width, c.bits);
  const auto bytes = bytes_of("ct.u16");
  std::vector<int> values;
  for (std::size_t i = 0; i < bytes.size(); i += 2) values.push_back(little_endian(bytes, i, 2));
  return stored(values, {c.height, c.width}, false);
}

TEST(ClaheGoldenTest, EqualsOpenCvToTheBit) {
  const auto cases = read_cases();
  ASSERT_GE(cases.size(), 20u);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.operation + " of " + c.input + ", " + std::to_string(c.bits) + " bits, " +
                 std::to_string(c.height) + " x " + std::to_string(c.width) + ", clip " +
                 std::to_string(c.spec.clip_limit));
    const at::Tensor out =
        c.operation == "clahe" ? clahe(input_of(c), c.spec) : histogram_equalize(input_of(c), {});
    EXPECT_EQ(values_of(out), c.expected);
  }
}

}  // namespace
}  // namespace salus::kernels
