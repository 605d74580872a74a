#include <algorithm>
#include <cmath>
#include <fstream>

#include "engine/io/error.h"
#include "engine/io/wfdb.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int32_t kInvalid = WfdbSignal::kInvalid;

class WfdbSegmentsTest : public ::testing::Test {
 protected:
  WfdbSegmentsTest() {
    // Two signals of two samples in format 80, and of three in format 16.
    write("a.dat", std::string("\x81\x91\x82\x92", 4));
    write("a.hea", "a 2 125 2\na.dat 80 1 8 0 1 3 0 II\na.dat 80 1/mmHg 8 0 17 35 0 ABP\n");
    write("b.dat", std::string("\x03\x00\x13\x00\x00\x80\x14\x00\x05\x00\x15\x00", 12));
    write("b.hea", "b 2 125 3\nb.dat 16 1 16 0 3 0 0 II\nb.dat 16 1/mmHg 16 0 19 60 0 ABP\n");
  }
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.path(name), std::ios::binary) << bytes;
  }
  WfdbRecord read(const std::string& header, std::int64_t most_gaps = kMostWfdbGaps) {
    write("r.hea", header);
    return read_wfdb(folder_.path("r"), most_gaps);
  }
  void refused(const std::string& header, const std::string& words) {
    SALUS_EXPECT_ERROR(read(header), HasSubstr(words)) << header;
  }
  static std::vector<float> physical(const WfdbSignal& signal) {
    std::vector<float> values;
    for (std::size_t i = 0; i < signal.samples.size(); ++i) values.push_back(signal.physical(i));
    return values;
  }
  test::TemporaryFolder folder_;
};

TEST_F(WfdbSegmentsTest, OfAFixedLayoutAreJoined) {
  const WfdbRecord record = read("# one\nr/4 2 125 8 10:00\na 2\n~ 1\nb 3\na 2\n#two\n");
  EXPECT_EQ(record.name, "r");
  EXPECT_EQ(record.frequency, 125);
  EXPECT_EQ(record.length, 8);
  EXPECT_THAT(record.comments, ElementsAre(" one", "two"));
  ASSERT_EQ(record.signals.size(), 2U);
  EXPECT_EQ(record.signals[0].description, "II");
  EXPECT_THAT(record.signals[0].samples, ElementsAre(1, 2, kInvalid, 3, kInvalid, 5, 1, 2));
  EXPECT_EQ(record.signals[1].unit, "mmHg");
  EXPECT_THAT(record.signals[1].samples, ElementsAre(17, 18, kInvalid, 19, 20, 21, 17, 18));
  EXPECT_TRUE(record.signals[0].rescaled.empty());
  EXPECT_EQ(read("r/2 2 125\na 2\nb 3\n").length, 5) << "not stated: that of the segments";
  EXPECT_EQ(read("r/1 2 125 2\na 2\n").length, 2);
}

TEST_F(WfdbSegmentsTest, OfAVariableLayoutAreFoundByTheirDescriptions) {
  write("l.hea",
        "l 3 125 0\n~ 0 86/mV 11 0 0 0 0 V\n~ 0 9/mmHg 11 0 0 0 0 ABP\n~ 0 1 9 0 0 0 0 II\n");
  write("c.dat", std::string("\x86\x87", 2));
  write("c.hea", "c 2 125 1\nc.dat 80 1 8 0 6 6 0 V\nc.dat 80 1 8 0 7 7 0 PLETH\n");
  const WfdbRecord record = read("r/5 3 125 7\nl 0\na 2\n~ 1\nc 1\nb 3\n");
  ASSERT_EQ(record.signals.size(), 3U);
  EXPECT_EQ(record.signals[0].description, "V");
  EXPECT_EQ(record.signals[1].description, "ABP");
  EXPECT_EQ(record.signals[1].format, 80) << "of the first segment with samples of it";
  EXPECT_THAT(record.signals[0].samples,
              ElementsAre(kInvalid, kInvalid, kInvalid, 6, kInvalid, kInvalid, kInvalid));
  EXPECT_THAT(record.signals[1].samples, ElementsAre(17, 18, kInvalid, kInvalid, 19, 20, 21));
  EXPECT_THAT(record.signals[2].samples, ElementsAre(1, 2, kInvalid, kInvalid, 3, kInvalid, 5));
  EXPECT_FLOAT_EQ(record.signals[1].physical(0), 17) << "the gain is the segment's";
}

TEST_F(WfdbSegmentsTest, HaveTheirOwnGainAndBaseline) {
  // Checked against wfdb-python 4.3.1: rdrecord("r").p_signal.
  write("l.hea", "l 2 125 0\n~ 0 86/mV 11 0 -1024 0 0 II\n~ 0 1.25(-100)/mmHg 9 0 -256 0 0 ABP\n");
  write("s1.dat", std::string("\x94\x6c", 2));
  write("s1.hea", "s1 1 125 2\ns1.dat 80 40/mV 8 0 20 0 0 II\n");
  write("s2.dat", std::string("\x19\x00\x28\x00\x00\x80\x3c\x00", 8));
  write("s2.hea",
        "s2 2 125 2\ns2.dat 16 1.25(-100)/mmHg 9 0 25 0 0 ABP\ns2.dat 16 80(8)/mV 9 0 40 0 0 II\n");
  const WfdbRecord record = read("r/5 2 125 7\nl 0\ns1 2\n~ 1\ns2 2\ns1 2\n");
  const auto first = physical(record.signals[0]), second = physical(record.signals[1]);
  const std::vector<float> expected = {0.5F, -0.5F, 0, 0.4F, 0.65F, 0.5F, -0.5F};
  for (const std::size_t i : {0, 1, 3, 4, 5, 6}) EXPECT_FLOAT_EQ(first[i], expected[i]) << i;
  EXPECT_TRUE(std::isnan(first[2]));
  EXPECT_FLOAT_EQ(second[3], 100);
  EXPECT_EQ(std::count_if(second.begin(), second.end(), [](float v) { return std::isnan(v); }), 6);
  ASSERT_EQ(record.signals[0].rescaled.size(), 2U);
  EXPECT_EQ(record.signals[0].rescaled[0].begin, 3);
  EXPECT_EQ(record.signals[0].scale_at(2).gain, 40);
  EXPECT_EQ(record.signals[0].scale_at(4).baseline, 8);
  EXPECT_EQ(record.signals[0].scale_at(6).gain, 40);
}

TEST_F(WfdbSegmentsTest, MayHaveFramesSkewAndNoSamples) {
  write("a.hea", "a 2 125 1\na.dat 80x2 1 8 0 1 0 0 II\na.dat 80x2:1 1/mmHg 8 0 2 0 0 ABP\n");
  write("a.dat", std::string("\x81\x83\x82\x84", 4));
  write("n.hea", "n 2 125 4\n~ 0\n~ 0\n");
  const WfdbRecord record = read("r/3 2 125 8\nn 4\na 1\nb 3\n");
  EXPECT_THAT(record.signals[0].samples,
              ElementsAre(kInvalid, kInvalid, kInvalid, kInvalid, 2, 3, kInvalid, 5));
  EXPECT_EQ(record.signals[1].samples[4], kInvalid) << "the frame lacks a sample";
  EXPECT_EQ(record.signals[1].description, "ABP");
  EXPECT_EQ(record.signals[1].unit, "mmHg");
}

TEST_F(WfdbSegmentsTest, AreNamed) {
  write("r.hea", "r/4 2 125 8\nl 0\na 2\n~ 1\nb 3\n");
  EXPECT_THAT(wfdb_segments(folder_.path("r")), ElementsAre("l", "a", "b"));
  EXPECT_TRUE(wfdb_segments(folder_.path("a.hea")).empty());
}

TEST_F(WfdbSegmentsTest, ARecordOfThemWithoutSignalsHasNoSamples) {
  write("z.hea", "z 0 125 1099511627776\n");
  EXPECT_EQ(read("r/1 0 125 1099511627776\nz 1099511627776\n").length, 0);
}

TEST_F(WfdbSegmentsTest, MustBeAsTheHeaderSays) {
  refused("r/0 2 125\n", "\"0\" for the number of segments");
  refused("r/x 2 125\n", "\"x\" for the number of segments");
  refused("r/2 2 125\na 2\n", "2 segments are announced and 1 described");
  refused("r/1 2 125\na 2\nb 3\n", "line 3 is one segment more");
  refused("r/1 2 125\na\n", "line 2 is no segment line");
  refused("r/1 2 125\na -2\n", "\"-2\" for the number of samples");
  refused("r/1 2 125\n../a 2\n", "outside of the header's folder");
  refused("r/1 2 125\nabsent 2\n", "absent.hea");
  refused("r/2 2 125 6\na 2\nb 3\n", "states 6 samples of each signal, but its segments have 5");
  refused("r/2 2 125 6\na 3\nb 3\n", "states 3 samples for a, whose header states 2");
  refused("r/3 2 125\na 2\nb 3\na 1\n", "line 4 states 1 samples for a");
  refused("r/2 2 125\na 2\nb 0\n", "only the first segment may");
  refused("r/2 2 125\n~ 0\na 2\n", "only the first segment may");
  refused("r/1 3 125\na 2\n", "announces 3 signals, but its segments have 2");
  refused("r/1 2 125\n~ 5\n", "announces 2 signals, but its segments have 0");
  refused("r/1 2 100\na 2\n", "sampled at 125 Hz, but the record is at 100");
  refused("r/1 2 125\nr 2\n", "segments of segments cannot be read");
  write("m.hea", "m/1 2 125 2\na 2\n");
  refused("r/2 2 125\nm 2\na 2\n", "line 2 names m, a record of several segments itself");
}

TEST_F(WfdbSegmentsTest, OfAFixedLayoutHaveTheSameSignals) {
  write("c.hea", "c 1 125 2\na.dat 80 1 8 0 1 3 0 II\n");
  refused("r/2 2 125\na 2\nc 2\n", "names c with 1 signals, but the first segment has 2");
  write("c.hea", "c 2 125 2\nb.dat 16 1 8 0 3 0 0 V\nb.dat 16 1/mmHg 8 0 19 0 0 ABP\n");
  refused("r/2 2 125\na 2\nc 2\n", "c.hea line 2 describes \"V\" in mV");
  write("c.hea", "c 2 125 2\nb.dat 16 1 8 0 3 0 0 II\nb.dat 16 1/kPa 8 0 19 0 0 ABP\n");
  refused("r/2 2 125\na 2\nc 2\n", "describes \"ABP\" in kPa");
}

TEST_F(WfdbSegmentsTest, DescriptionsOfALayoutAreUnique) {
  write("l.hea", "l 2 125 0\n~ 0 1 9 0 0 0 0 II\n~ 0 1 9 0 0 0 0 II\n");
  refused("r/2 2 125\nl 0\na 2\n", "l.hea line 3 describes a second \"II\"");
  write("l.hea", "l 1 125 0\n~ 0 1 9 0 0 0 0 II\n");
  write("c.hea", "c 2 125 2\na.dat 80 1 8 0 1 3 0 II\na.dat 80 1 8 0 17 35 0 II\n");
  refused("r/2 1 125\nl 0\nc 2\n", "c.hea line 3 describes a second \"II\"");
  write("l.hea", "l 1 125 7\n~ 0 1 9 0 0 0 0 II\n");
  refused("r/2 1 125\nl 0\na 2\n", "states 0 samples for l, whose header states 7");
}

TEST_F(WfdbSegmentsTest, CannotClaimMoreThanFilesAndTheLimitHold) {
  const auto limited = HasSubstr("in no signal file or in one twice");
  SALUS_EXPECT_ERROR(read("r/2 2 125\na 2\n~ 1099511627776\n"), limited);
  SALUS_EXPECT_ERROR(read("r/2 2 125\na 2\n~ 268435457\n"), limited);
  EXPECT_EQ(read("r/2 2 125\na 2\n~ 5\n", 10).length, 7);
  SALUS_EXPECT_ERROR(read("r/2 2 125\na 2\n~ 5\n", 9), limited);
  // Signals that a segment lacks, segments and files that stand twice.
  write("l.hea", "l 3 125 0\n~ 0 1 9 0 0 0 0 II\n~ 0 1 9 0 0 0 0 V\n~ 0 1 9 0 0 0 0 X\n");
  EXPECT_EQ(read("r/2 3 125\nl 0\na 2\n", 4).length, 2);
  SALUS_EXPECT_ERROR(read("r/2 3 125\nl 0\na 2\n", 3), limited);
  SALUS_EXPECT_ERROR(read("r/2 2 125\na 2\na 2\n", 3), limited);
  write("c.hea", "c 2 125 2\na.dat 80 1 8 0 1 3 0 II\na.dat 80 1/mmHg 8 0 17 35 0 ABP\n");
  EXPECT_EQ(read("r/2 2 125\na 2\nc 2\n", 4).length, 4);
  SALUS_EXPECT_ERROR(read("r/2 2 125\na 2\nc 2\n", 3), limited);
  // A segment's file is shorter than its header claims.
  write("c.hea", "c 2 125 1000000000\nb.dat 16\nb.dat 16\n");
  refused("r/1 2 125\nc 1000000000\n", "b.dat holds 3 samples of each signal");
  std::string many = "r/40001 2 125\na 2\n";
  for (int i = 0; i < 40000; ++i) many += "~ 1099511627776\n";
  SALUS_EXPECT_ERROR(read(many), limited);
}

TEST_F(WfdbSegmentsTest, SumsOfLengthsDoNotOverflow) {
  write("z.hea", "z 0 125 1099511627776\n");
  refused("r/2 0 125\nz 1099511627776\nz 1099511627776\n", "the longest record that can be read");
}

TEST(WfdbSegmentsFuzzTest, HeadersNeverCrashHangOrFillMemory) {
  const test::TemporaryFolder folder;
  test::write_test_file(folder.path("a.dat"), test::Bytes(64));
  test::write_test_file(folder.path("b.dat"), test::Bytes(64));
  // A file each for the layout, two segments and the record, kept apart by a byte.
  const std::string seed =
      "l 2 125 0\n~ 0 1 8 0 0 0 0 II\n~ 0 1/mmHg 8 0 0 0 0 ABP\n\x01"
      "a 1 125 4\na.dat 80x4:1+2 1 8 0 -128 0 0 II\n\x01"
      "b 2 125 5\nb.dat 212 2(3)/mmHg 12 0 0 0 0 ABP\nb.dat 212 5 12 0 0 0 0 II\n\x01"
      "r/5 2 125 16\nl 0\na 4\n~ 3\nb 5\na 4\n";
  const auto make = [&](test::Rng& rng) {
    const auto* first = reinterpret_cast<const std::byte*>(seed.data());
    test::Bytes bytes(first, first + seed.size());
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto consume = [&](const std::string& path) {
    const test::Bytes bytes = test::read_test_file(path);
    auto from = bytes.begin();
    for (const char* name : {"l.hea", "a.hea", "b.hea", "r.hea"}) {
      const auto to = std::find(from, bytes.end(), std::byte{1});
      test::write_test_file(folder.path(name), {from, to});
      from = to == bytes.end() ? to : to + 1;
    }
    read_wfdb(folder.path("r"), std::int64_t{1} << 20);
  };
  const auto report = test::run_fuzz("wfdb-segments", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
}

}  // namespace
}  // namespace salus::io
