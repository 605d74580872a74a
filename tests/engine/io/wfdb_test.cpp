#include "engine/io/wfdb.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/io/error.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

nlohmann::json golden() {
  std::ifstream file(data_path("vitals/wfdb/golden.json"));
  return nlohmann::json::parse(file);
}

class WfdbTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.path(name), std::ios::binary) << bytes;
  }
  WfdbRecord read(const std::string& header) {
    write("r.hea", header);
    return read_wfdb(folder_.path("r"));
  }
  std::vector<WfdbAnnotation> annotations(const std::vector<unsigned>& words) {
    std::string bytes;
    for (const unsigned word : words) {
      bytes += static_cast<char>(word & 0xff);
      bytes += static_cast<char>(word >> 8);
    }
    write("r.atr", bytes);
    return read_wfdb_annotations(folder_.path("r.atr"));
  }
  test::TemporaryFolder folder_;
};

TEST_F(WfdbTest, ReadsWhatWfdbPythonReads) {
  const auto expected = golden();
  for (const char* name : {"100", "100_16", "100.hea"}) {
    SCOPED_TRACE(name);
    const WfdbRecord record = read_wfdb(data_path(std::string("vitals/wfdb/") + name));
    EXPECT_EQ(record.frequency, expected["frequency"]);
    EXPECT_EQ(record.length, expected["length"]);
    ASSERT_EQ(record.comments.size(), 2u);
    EXPECT_EQ(record.comments[0], " " + expected["comments"][0].get<std::string>());
    ASSERT_EQ(record.signals.size(), 2u);
    for (std::size_t s = 0; s < 2; ++s) {
      const WfdbSignal& signal = record.signals[s];
      EXPECT_EQ(signal.description, expected["names"][s]);
      EXPECT_EQ(signal.unit, expected["units"][s]);
      for (const auto& [at, values] : expected["samples"].items()) {
        EXPECT_EQ(signal.samples[std::stoul(at)], values[s]) << "sample " << at;
      }
      double sum = 0, squares = 0;
      for (std::size_t i = 0; i < signal.samples.size(); ++i) sum += signal.physical(i);
      const double mean = sum / static_cast<double>(signal.samples.size());
      for (std::size_t i = 0; i < signal.samples.size(); ++i) {
        squares += std::pow(signal.physical(i) - mean, 2);
      }
      const double spread = std::sqrt(squares / static_cast<double>(signal.samples.size()));
      EXPECT_NEAR(mean, expected["physical_mean"][s], 1e-7);
      EXPECT_NEAR(spread, expected["physical_std"][s], 1e-7);
    }
  }
}

TEST_F(WfdbTest, ReadsTheAnnotationsThatWfdbPythonReads) {
  const auto expected = golden()["annotations"];
  const auto read = read_wfdb_annotations(data_path("vitals/wfdb/100.atr"));
  ASSERT_EQ(read.size(), expected.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].sample, expected[i][0]) << i;
    EXPECT_EQ(read[i].code, expected[i][1]) << i;
    EXPECT_EQ(read[i].symbol, expected[i][2]) << i;
  }
}

TEST_F(WfdbTest, UnpacksHandDecodedSamplesOfFormat212) {
  // Bytes e3 33 f3: 0x3e3 = 995 and 0x3f3 = 1011. ff 7f 00: 0xfff = -1 and 0x700 = 1792.
  // 00 88 01: 0x800 = -2048 (invalid) and 0x801 = -2047.
  write("r.dat", std::string("\xe3\x33\xf3\xff\x7f\x00\x00\x88\x01", 9));
  const WfdbRecord record = read("r 2 100 3\nr.dat 212 100(5)/mmHg\nr.dat 212 100\n");
  EXPECT_THAT(record.signals[0].samples, ElementsAre(995, -1, WfdbSignal::kInvalid));
  EXPECT_THAT(record.signals[1].samples, ElementsAre(1011, 1792, -2047));
  EXPECT_FLOAT_EQ(record.signals[0].physical(0), 9.9F);
  EXPECT_TRUE(std::isnan(record.signals[0].physical(2)));
  EXPECT_FLOAT_EQ(record.signals[1].physical(2), -20.47F);
  EXPECT_EQ(record.signals[0].unit, "mmHg");
  EXPECT_EQ(record.signals[1].unit, "mV");
  // An odd number of samples ends after two bytes.
  write("r.dat", std::string("\xe3\x33\xf3\xff\x0f", 5));
  EXPECT_THAT(read("r 1 100 3\nr.dat 212\n").signals[0].samples, ElementsAre(995, 1011, -1));
}

TEST_F(WfdbTest, UnpacksHandDecodedSamplesOfFormat16) {
  write("r.dat", std::string("header\x01\x00\xff\xff\x00\x80\x34\x12", 14));
  const WfdbRecord record = read("r 1 100\nr.dat 16+6 0 16 7\n");
  EXPECT_THAT(record.signals[0].samples, ElementsAre(1, -1, WfdbSignal::kInvalid, 0x1234));
  EXPECT_EQ(record.signals[0].unit, "mV");
  EXPECT_EQ(record.length, 4);  // of the file, as the header states none
  EXPECT_EQ(record.signals[0].gain, 200);
  EXPECT_EQ(record.signals[0].baseline, 7);  // the ADC zero
  EXPECT_TRUE(std::isnan(record.signals[0].physical(2)));
}

TEST_F(WfdbTest, ReadsSignalsOfSeveralFilesAndCommentsAnywhere) {
  write("a.dat", std::string("\x01\x00\x02\x00", 4));
  write("b.dat", std::string("\x03\x00\x04\x00", 4));
  const WfdbRecord record = read(
      "# first\r\nr 2 125.5/1000(3) 2 10:00:00 1/2/2020\n\n"
      "a.dat 16 200 16 0 1 3 0 ECG lead II\n#second\nb.dat 16x1:0 200 16 0 3 7 0 ABP\n");
  EXPECT_EQ(record.frequency, 125.5);
  EXPECT_EQ(record.signals[0].description, "ECG lead II");
  EXPECT_THAT(record.signals[1].samples, ElementsAre(3, 4));
  EXPECT_EQ(record.comments, (std::vector<std::string>{" first", "second"}));
}

TEST_F(WfdbTest, ADescriptionHasNoBlanksAtItsEnd) {
  write("r.dat", std::string("\x01\x00", 2));
  const WfdbRecord record = read("r 1 1 1\nr.dat 16 200 16 0 1 1 0 ECG  lead II \t \r\n");
  EXPECT_EQ(record.signals[0].description, "ECG  lead II");
}

TEST_F(WfdbTest, AChecksumOfZeroIsNoneUnlessTheSamplesHaveIt) {
  write("r.dat", std::string("\x01\x00\x02\x00", 4));
  EXPECT_THAT(read("r 1 1 2\nr.dat 16 200 16 0 1 0 0 II\n").signals[0].samples, ElementsAre(1, 2));
  SALUS_EXPECT_ERROR(read("r 1 1 2\nr.dat 16 200 16 0 1 4 0 II\n"), HasSubstr("the checksum 4"));
}

TEST_F(WfdbTest, AGainBelowZeroInvertsTheSignal) {
  write("r.dat", std::string("\x01\x00\xff\xff", 4));
  const WfdbRecord record = read("r 1 1 2\nr.dat 16 -2(5)/mV\n");
  EXPECT_EQ(record.signals[0].gain, -2);
  EXPECT_FLOAT_EQ(record.signals[0].physical(0), 2);
  EXPECT_FLOAT_EQ(record.signals[0].physical(1), 3);
}

TEST_F(WfdbTest, ARecordWithoutSignalsHasNoSamples) {
  const WfdbRecord record = read("z 0 360 1099511627776\n");
  EXPECT_TRUE(record.signals.empty());
  EXPECT_EQ(record.length, 0);
}

TEST_F(WfdbTest, ReadsHandDecodedAnnotations) {
  // 1: N after 18 samples; AUX of 4 bytes; SKIP of 0x00010002 = 65538; V after 5 more with subtype
  // 2 and channel 1; NUM -1 holds from then on; a NOTQRS of 1000 only passes time; SKIP back by 3.
  const auto read =
      annotations({(28 << 10) | 18, (63 << 10) | 3, 0x4e28, 0x0041, (59 << 10), 1, 2, (5 << 10) | 5,
                   (61 << 10) | 2, (62 << 10) | 1, (60 << 10) | 0x3ff, 1000, (1 << 10) | 7,
                   (59 << 10), 0xffff, 0xfffd, (41 << 10) | 1, (47 << 10) | 1, 0});
  ASSERT_EQ(read.size(), 5u);
  EXPECT_EQ(read[0].symbol, "+");
  EXPECT_EQ(read[0].sample, 18);
  EXPECT_EQ(read[0].text, "(NA");
  EXPECT_EQ(read[1].symbol, "V");
  EXPECT_EQ(read[1].sample, 18 + 65538 + 5);
  EXPECT_EQ(read[1].subtype, 2);
  EXPECT_EQ(read[1].channel, 1);
  EXPECT_EQ(read[1].number, -1);
  EXPECT_EQ(read[2].symbol, "N");
  EXPECT_EQ(read[2].sample, read[1].sample + 1007);
  EXPECT_EQ(read[2].subtype, 0);
  EXPECT_EQ(read[2].channel, 1);
  EXPECT_EQ(read[2].number, -1);
  EXPECT_EQ(read[3].symbol, "r");
  EXPECT_EQ(read[3].sample, read[2].sample - 2);
  EXPECT_EQ(read[4].symbol, "[47]");
}

TEST_F(WfdbTest, RefusesDamagedAnnotations) {
  SALUS_EXPECT_ERROR(annotations({}), AllOf(HasSubstr("r.atr byte 0"), HasSubstr("closing zero")));
  SALUS_EXPECT_ERROR(annotations({(1 << 10) | 5}), HasSubstr("byte 2"));
  SALUS_EXPECT_ERROR(annotations({(63 << 10) | 1, 0, 0}), HasSubstr("before the first annotation"));
  SALUS_EXPECT_ERROR(annotations({(1 << 10), (63 << 10) | 9, 0}), HasSubstr("beyond the file"));
  SALUS_EXPECT_ERROR(annotations({(59 << 10), 0xffff, 0xffff, 0}), HasSubstr("before the record"));
  SALUS_EXPECT_ERROR(annotations({(59 << 10), 0}), HasSubstr("closing zero"));
}

TEST_F(WfdbTest, RefusesHeadersThatAreNot) {
  write("r.dat", std::string(64, '\0'));
  const auto refused = [&](const std::string& header, const std::string& words) {
    SALUS_EXPECT_ERROR(read(header), AllOf(HasSubstr("r.hea"), HasSubstr(words)));
  };
  refused("", "no record line");
  refused("# only a comment\n", "no record line");
  refused("r\n", "line 1 is no record line");
  refused("r/three 1\n", "\"three\" for the number of segments");
  refused("r two\n", "\"two\" for the number of signals");
  refused("r -1\n", "number of signals");
  refused("r 1 0 5\nr.dat 16\n", "\"0\" for the sampling frequency");
  refused("r 1 fast 5\nr.dat 16\n", "sampling frequency");
  refused("r 1 100 -5\nr.dat 16\n", "number of samples");
  refused("r 2 100 4\nr.dat 16\n", "2 signals are announced and 1 described");
  refused("r 1 100 4\nr.dat 16\nr.dat 16\n", "line 3 is one signal more");
  refused("r 1 100 4\nr.dat\n", "line 2 is no signal line");
  refused("r 1 100 4\nr.dat 516\n", "format 516; only 8, 16, 24");
  refused("r 1 100 4\nr.dat 16x-4\n", "\"16x-4\" for the format");
  refused("r 1 100 4\nr.dat 16:-3\n", "\"16:-3\" for the format");
  refused("r 1 100 4\nr.dat 16?3\n", "\"16?3\" for the format");
  refused("r 1 100 4\nr.dat 16 much\n", "\"much\" for the gain");
  refused("r 1 100 4\nr.dat 16 inf\n", "\"inf\" for the gain");
  refused("r 1 100 4\nr.dat 16 200(1\n", "gain");
  refused("r 1 100 4\nr.dat 16 200 x\n", "\"x\" for the ADC resolution");
  refused("r 2 100 4\nr.dat 16\nr.dat 212\n", "another format than the signals of the same file");
  refused("r 1 100 4\n../r.dat 16\n", "outside of the header's folder");
  refused("r 1 100 4\nr.dat 16 200 16 0 5\n", "states 5 as the first sample");
  refused("r 1 100 4\nr.dat 16 200 16 0 0 9\n", "states the checksum 9");
}

TEST_F(WfdbTest, RefusesClaimsThatTheFileCannotHoldBeforeAllocating) {
  write("r.dat", std::string(64, '\0'));
  SALUS_EXPECT_ERROR(read("r 1 100 1000000000000\nr.dat 16\n"),
                     AllOf(HasSubstr("r.dat holds 32 samples"), HasSubstr("claims 1000000000000")));
  SALUS_EXPECT_ERROR(read("r 1 100 33\nr.dat 16\n"), HasSubstr("truncated"));
  SALUS_EXPECT_ERROR(read("r 1 100 1\nr.dat 16+1000\n"), HasSubstr("holds 0 samples"));
  SALUS_EXPECT_ERROR(read("r 1 100 1\nnone.dat 16\n"), HasSubstr("none.dat"));
}

TEST(WfdbFuzzTest, HeadersNeverCrashHangOrFillMemory) {
  const test::TemporaryFolder folder;
  test::write_test_file(folder.path("100.dat"), test::Bytes(3000));
  const std::string seed =
      "100 2 360 1000\n100.dat 212x1:0+0 200(1024)/mV 12 0 0 0 0 MLII\n100.dat 212 200 12 0\n#x\n";
  const auto make = [&](test::Rng& rng) {
    const auto* first = reinterpret_cast<const std::byte*>(seed.data());
    test::Bytes bytes(first, first + seed.size());
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto consume = [&](const std::string& path) {
    test::write_test_file(folder.path("h.hea"), test::read_test_file(path));
    read_wfdb(folder.path("h"), std::int64_t{1} << 20);
  };
  const auto report = test::run_fuzz("wfdb-header", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
}

TEST(WfdbFuzzTest, AnnotationsNeverCrashHangOrFillMemory) {
  const auto seed = test::read_test_file(data_path("vitals/wfdb/100.atr"));
  const auto make = [&](test::Rng& rng) {
    test::Bytes bytes = seed;
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto report = test::run_fuzz("wfdb-annotations", test::fuzz_options(), make,
                                     [](const std::string& path) { read_wfdb_annotations(path); });
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
}

}  // namespace
}  // namespace salus::io
