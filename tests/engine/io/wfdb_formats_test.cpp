#include "engine/io/wfdb_formats.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>

#include "engine/io/error.h"
#include "engine/io/wfdb.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int32_t kInvalid = WfdbSignal::kInvalid;
constexpr int kAll[] = {8, 16, 24, 32, 61, 80, 160, 212, 310, 311};

class WfdbFormatsTest : public ::testing::Test {
 protected:
  void write(const std::string& bytes) {
    std::ofstream(folder_.path("r.dat"), std::ios::binary) << bytes;
  }
  WfdbRecord read(const std::string& header) {
    std::ofstream(folder_.path("r.hea")) << header;
    return read_wfdb(folder_.path("r"));
  }
  std::vector<std::int32_t> samples(const std::string& header, std::size_t signal = 0) {
    return read(header).signals.at(signal).samples;
  }
  test::TemporaryFolder folder_;
};

struct Golden {
  std::string line;   ///< of the signal, after the file
  std::string bytes;  ///< random ones, with the format's mark in place of the second sample
  std::vector<std::int32_t> samples;
};

// What wfdb-python 4.3.1 reads of these bytes, its marks of invalid samples replaced by kInvalid.
std::vector<Golden> golden() {
  const auto bytes = [](const char* text, std::size_t count) { return std::string(text, count); };
  return {
      {"8 1 8 0 -7", bytes("\x8b\x4a\xe5\xf1\xa9\x41", 6), {-124, -50, -77, -92, -179, -114}},
      {"16", bytes("\x95\x6a\x00\x80\xbc\xcd\xaf\xe5", 8), {27285, kInvalid, -12868, -6737}},
      {"24",
       bytes("\x62\xf9\x0a\x00\x00\x80\x93\xc6\x42\x27\x6a\xd5", 12),
       {719202, kInvalid, 4376211, -2790873}},
      {"32",
       bytes("\xab\x2d\xa7\x39\x00\x00\x00\x80\x99\xb2\xd7\x4c", 12),
       {967257515, kInvalid, 1289204377}},
      {"61", bytes("\x34\x27\x80\x00\xd7\x32\xa1\xdf", 8), {13351, kInvalid, -10446, -24097}},
      {"80", bytes("\x70\x00\xa1\xe9\x26\x11", 6), {-16, kInvalid, 33, 105, -90, -111}},
      {"160", bytes("\xdd\x06\x00\x00\x8f\x06\x3c\xd2", 8), {-31011, kInvalid, -31089, 21052}},
      {"212", bytes("\x5e\x89\x00\x21\xf9\xbd\x0c\xcc", 8), {-1698, kInvalid, -1759, -67, -1012}},
      {"310",
       bytes("\x21\x39\x00\x1c\xc7\x95\xca\x77\x48\xdc\x03\xd1", 12),
       {144, kInvalid, 103, -285, -27, 466, -476, 129}},
      {"311",
       bytes("\x7a\x00\x98\x0d\x85\x52\x73\x17\xa2\xe6\x46", 11),
       {122, kInvalid, 217, -379, 212, 375, -350, 441}},
  };
}

TEST_F(WfdbFormatsTest, ReadsWhatWfdbPythonReads) {
  for (const Golden& expected : golden()) {
    SCOPED_TRACE(expected.line);
    write(expected.bytes);
    const std::string header =
        "r 1 100 " + std::to_string(expected.samples.size()) + "\nr.dat " + expected.line + "\n";
    EXPECT_EQ(samples(header), expected.samples);
    write(expected.bytes.substr(0, expected.bytes.size() - 1));
    SALUS_EXPECT_ERROR(read(header), HasSubstr("truncated"));
  }
}

TEST_F(WfdbFormatsTest, AFileHoldsNoMoreValuesThanItsBytes) {
  for (const int number : kAll) {
    SCOPED_TRACE(number);
    const WfdbFormat& format = *find_wfdb_format(number);
    EXPECT_EQ(format.packed_values(0), 0);
    for (std::int64_t count = 1; count < 20; ++count) {
      const std::int64_t bytes = format.packed_bytes(count);
      EXPECT_GE(format.packed_values(bytes), count);
      EXPECT_LT(format.packed_values(bytes - 1), count);
    }
  }
  EXPECT_EQ(find_wfdb_format(310)->packed_bytes(4), 6);
  EXPECT_EQ(find_wfdb_format(311)->packed_bytes(5), 7);
  EXPECT_EQ(find_wfdb_format(0), nullptr);
  EXPECT_EQ(find_wfdb_format(516), nullptr);
}

TEST_F(WfdbFormatsTest, ARecordOfManyPiecesIsReadAsOne) {
  // 90,001 samples of each of three signals: neither pieces nor groups of values end together.
  constexpr std::size_t kLength = 90001;
  for (const int number : kAll) {
    SCOPED_TRACE(number);
    const WfdbFormat& format = *find_wfdb_format(number);
    std::vector<std::byte> bytes(static_cast<std::size_t>(format.packed_bytes(3 * kLength)));
    std::mt19937 random(static_cast<unsigned>(number));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    test::write_test_file(folder_.path("r.dat"), bytes);
    std::vector<std::int32_t> values(3 * kLength);
    unpack_wfdb(format, bytes, values);
    const std::string line = "r.dat " + std::to_string(number) + "\n";
    const WfdbRecord record = read("r 3 100 90001\n" + line + line + line);
    for (std::size_t s = 0; s < 3; ++s) {
      std::vector<std::int32_t> expected;
      std::int32_t last = 0;
      for (std::size_t i = s; i < values.size(); i += 3) {
        expected.push_back(number == 8 ? last += values[i] : values[i]);
        if (expected.back() == format.invalid) expected.back() = kInvalid;
      }
      EXPECT_EQ(record.signals[s].samples, expected) << "signal " << s;
    }
  }
}

TEST_F(WfdbFormatsTest, TheTwoHighestBitsOfFormat311AreUnused) {
  write(std::string("\xff\xff\xff\xff", 4));
  EXPECT_THAT(samples("r 1 100 3\nr.dat 311\n"), ElementsAre(-1, -1, -1));
  write(std::string("\x00\x00\x00\xc0", 4));
  EXPECT_THAT(samples("r 1 100 3\nr.dat 311\n"), ElementsAre(0, 0, 0));
}

TEST_F(WfdbFormatsTest, DifferencesAreSummedFromTheInitialValue) {
  write(std::string("\x80\x80\x7f\x01", 4));
  EXPECT_THAT(samples("r 1 100 4\nr.dat 8 200 16 5\n"), ElementsAre(-123, -251, -124, -123))
      << "without an initial value from the ADC zero";
  // Two signals, each with its own sum. The checksum is of the samples, not of the differences.
  const std::string lines = "r.dat 8 200 16 0 32767 -131 0\nr.dat 8 200 16 0 -32640 1 0\n";
  EXPECT_THAT(samples("r 2 100 2\n" + lines, 0), ElementsAre(32639, 32766));
  EXPECT_THAT(samples("r 2 100 2\n" + lines, 1), ElementsAre(-32768, -32767))
      << "no value of this format is a mark";
  SALUS_EXPECT_ERROR(read("r 1 100 4\nr.dat 8 200 16 0 0 9 0\n"), HasSubstr("checksum 9"));
}

TEST_F(WfdbFormatsTest, OfSeveralSamplesInAFrameTheMeanIsTakenTowardsZero) {
  // Frames of four samples of the first signal and one of the second, after three bytes.
  write(std::string("abc", 3) + std::string("\x81\x82\x83\x85\x8a", 5) +  // 1 2 3 5, 10
        std::string("\x7f\x7f\x7f\x7e\x8b", 5) +                          // -1 -1 -1 -2, 11
        std::string("\x00\xff\xff\xff\x8c", 5));                          // invalid 127 127 127, 12
  const WfdbRecord record =
      read("r 2 125 3\nr.dat 80x4+3 10 8 0 1 259 0 II\nr.dat 80+3 1 8 0 10 33 0 ABP\n");
  EXPECT_EQ(record.length, 3);
  EXPECT_EQ(record.frequency, 125);
  EXPECT_THAT(record.signals[0].samples, ElementsAre(2, -1, kInvalid));
  EXPECT_THAT(record.signals[1].samples, ElementsAre(10, 11, 12));
  EXPECT_FLOAT_EQ(record.signals[0].physical(0), 0.2F);
  EXPECT_TRUE(std::isnan(record.signals[0].physical(2)));
  EXPECT_EQ(read("r 2 125\nr.dat 80x4+3\nr.dat 80+3\n").length, 3) << "as many frames as there are";
  SALUS_EXPECT_ERROR(read("r 2 125 4\nr.dat 80x4+3\nr.dat 80+3\n"),
                     AllOf(HasSubstr("holds 3 samples"), HasSubstr("claims 4")));
}

TEST_F(WfdbFormatsTest, TheMeanOfLargeSamplesDoesNotOverflow) {
  write(std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f\x01\x00\x00\x80\x01\x00\x00\x80", 16));
  EXPECT_THAT(samples("r 1 125 2\nr.dat 32x2\n"), ElementsAre(2147483647, -2147483647));
}

TEST_F(WfdbFormatsTest, SkewLeavesSamplesOutAndEndsInInvalidOnes) {
  write(std::string("\x81\x91\x82\x92\x83\x93\x84\x94", 8));
  const WfdbRecord record =
      read("r 2 100 4\nr.dat 80:1 1 8 0 1 10 0 A\nr.dat 80:9 1 8 0 17 74 0 B\n");
  EXPECT_THAT(record.signals[0].samples, ElementsAre(2, 3, 4, kInvalid))
      << "initial value and checksum are of what is stored";
  EXPECT_THAT(record.signals[1].samples, ElementsAre(kInvalid, kInvalid, kInvalid, kInvalid));
  // Skew counts frames, of two samples here.
  EXPECT_THAT(samples("r 1 100 4\nr.dat 80x2:3\n"), ElementsAre(12, kInvalid, kInvalid, kInvalid));
  EXPECT_THAT(samples("r 1 100 4\nr.dat 80x2:2\n"), ElementsAre(11, 12, kInvalid, kInvalid));
}

TEST_F(WfdbFormatsTest, ASignalWithoutStoredSamplesIsInvalid) {
  write(std::string("\x81\x82", 2));
  const WfdbRecord record = read("r 2 100 2\n~ 0 1 8 0 0 0 0 A\nr.dat 80 1 8 0 1 0 0 B\n");
  EXPECT_THAT(record.signals[0].samples, ElementsAre(kInvalid, kInvalid));
  EXPECT_THAT(record.signals[1].samples, ElementsAre(1, 2));
  SALUS_EXPECT_ERROR(read("r 1 100 1099511627776\n~ 0\n"), HasSubstr("in no signal file"));
}

TEST_F(WfdbFormatsTest, TheLinesOfAFileFollowEachOther) {
  write(std::string(64, '\0'));
  std::ofstream(folder_.path("s.dat"), std::ios::binary) << std::string(64, '\0');
  SALUS_EXPECT_ERROR(read("r 3 100 4\nr.dat 16\ns.dat 16\nr.dat 16\n"),
                     AllOf(HasSubstr("line 4"), HasSubstr("must follow each other")));
}

TEST_F(WfdbFormatsTest, NothingIsAllocatedBeforeEveryFileIsChecked) {
  write(std::string(64, '\0'));
  SALUS_EXPECT_ERROR(read("r 2 100 4\nr.dat 16\nabsent.dat 16\n"), HasSubstr("absent.dat"));
  SALUS_EXPECT_ERROR(read("r 1 100 2\nr.dat 80x65536\n"), HasSubstr("holds 0 samples"));
  for (const char* word :
       {"80x0", "80x65537", "80:1099511627777", "80+9223372036854775807", "80x"}) {
    SALUS_EXPECT_ERROR(read(std::string("r 1 100 2\nr.dat ") + word + "\n"),
                       AllOf(HasSubstr(word), HasSubstr("for the format")));
  }
}

}  // namespace
}  // namespace salus::io
