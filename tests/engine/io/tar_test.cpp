#include "engine/io/tar.h"

#include <map>

#include "engine/io/error.h"
#include "tests/engine/io/tar_builder.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using test::gzip;
using test::tar_end;
using test::tar_file;
using test::tar_header;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TarTest : public ::testing::Test {
 protected:
  std::string write(const std::string& bytes) {
    const std::string path = folder_.path("archive.tar.gz");
    test::write_test_file(path, test::bytes_of(bytes));
    return path;
  }
  std::map<std::string, std::string> read(const std::string& bytes, const std::string& suffix = "",
                                          std::int64_t most = 1 << 20) {
    TarReader reader(write(bytes), most);
    std::map<std::string, std::string> files;
    TarReader::File file;
    while (reader.next(file, suffix)) files[file.name] = file.bytes;
    return files;
  }
  test::TemporaryFolder folder_;
};

using Files = std::map<std::string, std::string>;

TEST_F(TarTest, ReadsAnArchiveOfTarAndGzip) {
  TarReader reader(data_path("vitals/physionet2012/set-a.tar.gz"));
  TarReader::File file;
  int files = 0;
  while (reader.next(file, ".txt")) {
    ++files;
    const auto alone = test::read_test_file(data_path("vitals/physionet2012/" + file.name));
    EXPECT_EQ(test::bytes_of(file.bytes), alone) << file.name;
  }
  EXPECT_EQ(files, 24);
}

TEST_F(TarTest, ReadsPlainAndPackedAlike) {
  const std::string tar = tar_file("a.txt", "one") + tar_file("b/c.txt", std::string(512, 'x')) +
                          tar_file("empty.txt", "") + tar_end();
  const Files expected = {{"a.txt", "one"}, {"b/c.txt", std::string(512, 'x')}, {"empty.txt", ""}};
  EXPECT_EQ(read(tar), expected);
  EXPECT_EQ(read(gzip(tar)), expected);
  // RFC 1952: several members one after the other.
  EXPECT_EQ(read(gzip(tar.substr(0, 700)) + gzip(tar.substr(700))), expected);
}

TEST_F(TarTest, PassesOverWhatIsNoRegularFileOrHasAnotherName) {
  const std::string tar = tar_file("folder/", "", '5') + tar_header("link.txt", 99, '2') +
                          tar_file("a.csv", "no") + tar_file("a.txt", "yes") + tar_end();
  EXPECT_EQ(read(tar, ".txt"), (Files{{"a.txt", "yes"}}));
}

TEST_F(TarTest, ReadsLongNamesOfUstarGnuAndPax) {
  const std::string name = std::string(150, 'n') + ".txt";
  EXPECT_EQ(read(tar_file("b.txt", "1", '0', "folder") + tar_end()),
            (Files{{"folder/b.txt", "1"}}));
  EXPECT_EQ(read(tar_file("././@LongLink", name + '\0', 'L') + tar_file("short", "2") + tar_end()),
            (Files{{name, "2"}}));
  const std::string record = " path=" + name + "\n";
  const std::string pax = std::to_string(record.size() + 3) + record;
  EXPECT_EQ(read(tar_file("pax", "20 comment=anything\n" + pax, 'x') + tar_file("short", "3") +
                 tar_file("next", "4") + tar_end()),
            (Files{{name, "3"}, {"next", "4"}}));
}

TEST_F(TarTest, ReadsSizesOfPaxAndOfBase256) {
  std::string header = tar_header("x.txt", 3);
  header.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12));
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char octal[8];
  std::snprintf(octal, sizeof octal, "%06o", sum);
  header.replace(148, 8, std::string(octal) + '\0' + ' ');
  EXPECT_EQ(read(header + "abc" + std::string(509, '\0') + tar_end()), (Files{{"x.txt", "abc"}}));
  EXPECT_EQ(read(tar_file("pax", "9 size=3\n", 'x') + tar_header("y.txt", 0) + "abc" +
                 std::string(509, '\0') + tar_end()),
            (Files{{"y.txt", "abc"}}));
}

TEST_F(TarTest, RefusesWhatIsDamagedOrCutOff) {
  const std::string tar = tar_file("a.txt", std::string(2000, 'a')) + tar_end();
  SALUS_EXPECT_ERROR(read(""), HasSubstr("is empty, not a tar archive"));
  SALUS_EXPECT_ERROR(read(std::string(600, 'z')), HasSubstr("is no tar archive"));
  SALUS_EXPECT_ERROR(read(tar.substr(0, 1500)), HasSubstr("archive.tar.gz is truncated"));
  SALUS_EXPECT_ERROR(read(tar.substr(0, 100)), HasSubstr("truncated"));
  const std::string packed = gzip(tar);
  SALUS_EXPECT_ERROR(read(packed.substr(0, packed.size() / 2)), HasSubstr("truncated"));
  std::string broken = packed;
  broken[packed.size() - 6] ^= 1;  // the checksum of gzip
  SALUS_EXPECT_ERROR(read(broken), HasSubstr("damaged compressed data"));
  std::string second = tar_file("a.txt", "1") + tar_file("b.txt", "2") + tar_end();
  second[1024] ^= 1;
  SALUS_EXPECT_ERROR(read(second), HasSubstr("header's checksum is wrong"));
}

TEST_F(TarTest, RefusesSizesThatLieBeforeReadingThem) {
  SALUS_EXPECT_ERROR(read(tar_header("a.txt", std::size_t{1} << 32) + tar_end()),
                     AllOf(HasSubstr("a.txt of 4294967296 bytes"), HasSubstr("allowed")));
  SALUS_EXPECT_ERROR(read(tar_header("a.txt", 1 << 19) + tar_end()), HasSubstr("truncated"));
  SALUS_EXPECT_ERROR(read(tar_file("pax", "99999 path=a\n", 'x') + tar_end()),
                     HasSubstr("damaged pax header"));
  SALUS_EXPECT_ERROR(read(tar_header("@LongLink", 1 << 20, 'L') + tar_end()),
                     HasSubstr("senseless size"));
}

TEST_F(TarTest, RefusesArchivesThatUnpackToFarMoreThanTheyAre) {
  std::string bomb;
  for (int i = 0; i < 68; ++i) bomb += tar_file("x", std::string(1 << 20, '\0'));
  SALUS_EXPECT_ERROR(read(gzip(bomb), "nothing"), HasSubstr("unpacks to more than 200 times"));
  // What compresses as well but is small is read.
  EXPECT_EQ(read(gzip(bomb.substr(0, 2 * (512 + (1 << 20)))), "x", 1 << 21).size(), 1u);
}

TEST(TarFuzzTest, NeverCrashesHangsOrFillsMemory) {
  const std::string record = " path=folder/renamed.txt\n";
  const std::string tar = tar_file("a.txt", "12:00,HR,80\n") + tar_file("d/", "", '5') +
                          tar_file("pax", std::to_string(record.size() + 2) + record, 'x') +
                          tar_file("b.txt", std::string(700, 'b')) +
                          tar_file("@LongLink", std::string(120, 'l'), 'L') + tar_file("c", "c") +
                          tar_end();
  const auto make = [&](test::Rng& rng) {
    const bool packed_first = test::below(rng, 2) == 0;
    test::Bytes bytes = test::bytes_of(packed_first ? gzip(tar) : tar);
    test::mutate(bytes, rng);
    // Damage inside of the archive, behind an intact gzip.
    if (!packed_first && test::below(rng, 2) == 0) {
      bytes = test::bytes_of(gzip({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
    return bytes;
  };
  const auto consume = [](const std::string& path) {
    TarReader reader(path, 1 << 20);
    TarReader::File file;
    while (reader.next(file)) {
    }
  };
  const auto report = test::run_fuzz("tar", test::fuzz_options(), make, consume);
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
}

}  // namespace
}  // namespace salus::io
