#include "engine/io/files.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "engine/io/cpu_quota.h"
#include "engine/io/error.h"
#include "engine/io/posix.h"
#include "tests/support/files.h"

namespace salus::io {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Files of this process may not grow beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(ReadFileTest, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), std::string("with \0 zero\n", 12));
  EXPECT_EQ(read_text(folder.path("a")), std::string("with \0 zero\n", 12));
  write_text(folder.path("empty"), "");
  EXPECT_TRUE(read_file(folder.path("empty")).empty());
}

TEST(ReadFileTest, ReadsAFileWithoutASize) { EXPECT_FALSE(read_text("/proc/self/stat").empty()); }

TEST(ReadFileTest, NamesAMissingFileAndTheReason) {
  SALUS_EXPECT_ERROR(read_file("no/such/file"),
                     AllOf(HasSubstr("no/such/file"), HasSubstr("No such file")));
}

TEST(ReadFileTest, RefusesAFolder) {
  const TemporaryFolder folder;
  SALUS_EXPECT_ERROR(read_file(folder.path()), HasSubstr("folder"));
}

TEST(InputFileTest, RefusesAPipeWithoutWaitingForAWriter) {
  const TemporaryFolder folder;
  const std::string path = folder.path("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  SALUS_EXPECT_ERROR(InputFile{path}, AllOf(HasSubstr(path), HasSubstr("not a regular file")));
}

TEST(ReadFileTest, RefusesMoreThanTheLimit) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), "12345");
  EXPECT_EQ(read_file(folder.path("a"), 5).size(), 5u);
  SALUS_EXPECT_ERROR(read_file(folder.path("a"), 4), AllOf(HasSubstr("5 bytes"), HasSubstr("4")));
  SALUS_EXPECT_ERROR(read_file("/dev/zero", 1000), HasSubstr("1000 bytes"));
}

TEST(WriteFileTest, ReplacesAFileAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), "old");
  write_text(folder.path("a"), "new");
  EXPECT_EQ(read_text(folder.path("a")), "new");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileTest, KeepsTheModeAndFollowsALink) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), "old");
  ::chmod(folder.path("a").c_str(), 0640);
  fs::create_symlink("a", folder.path("link"));
  write_text(folder.path("link"), "new");
  EXPECT_TRUE(fs::is_symlink(folder.path("link")));
  EXPECT_EQ(read_text(folder.path("a")), "new");
  EXPECT_EQ(static_cast<int>(fs::status(folder.path("a")).permissions()), 0640);
}

TEST(WriteFileTest, AFailureLeavesTheOldFileAndNoOther) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), "old");
  const std::vector<std::byte> large(100'000);
  {
    const FileSizeLimit limit(50'000);
    SALUS_EXPECT_ERROR(write_file(folder.path("a"), large),
                       AllOf(HasSubstr(folder.path("a")), HasSubstr("File too large")));
  }
  EXPECT_EQ(read_text(folder.path("a")), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileTest, AFullDiskIsNamed) {
  SALUS_EXPECT_ERROR(write_text("/dev/full", "x"),
                     AllOf(HasSubstr("/dev/full"), HasSubstr("disk is full")));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));  // and it was not replaced by a file
}

TEST(WriteFileTest, RefusesAFolderAndAMissingFolder) {
  const TemporaryFolder folder;
  SALUS_EXPECT_ERROR(write_text(folder.path(), "x"), HasSubstr("name a file"));
  SALUS_EXPECT_ERROR(write_text(folder.path("none/a"), "x"), HasSubstr("No such file"));
}

TEST(RequireWritableTest, LeavesNothingBehindAndChangesNothing) {
  const TemporaryFolder folder;
  require_writable(folder.path("new"));
  EXPECT_TRUE(folder.names().empty());
  write_text(folder.path("a"), "old");
  fs::create_symlink("a", folder.path("link"));
  fs::create_symlink("later", folder.path("dangling"));
  for (const char* name : {"a", "link", "dangling"}) require_writable(folder.path(name));
  EXPECT_EQ(read_text(folder.path("a")), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a", "dangling", "link"));
  require_writable("/dev/null");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(RequireWritableTest, RefusesWhatWriteFileWould) {
  const TemporaryFolder folder;
  write_text(folder.path("a"), "file");
  SALUS_EXPECT_ERROR(require_writable(folder.path()),
                     AllOf(HasSubstr(folder.path()), HasSubstr("name a file")));
  SALUS_EXPECT_ERROR(require_writable(folder.path("none/a")), HasSubstr("No such file"));
  SALUS_EXPECT_ERROR(require_writable(folder.path("a/b")),
                     HasSubstr("a part of the path is a file"));
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileTest, ManyWritersOfOnePathLeaveOneWholeFile) {
  const TemporaryFolder folder;
  {
    std::vector<std::jthread> threads;
    for (char c = 'a'; c < 'e'; ++c) {
      threads.emplace_back([&, c] {
        for (int i = 0; i < 20; ++i) write_text(folder.path("x"), std::string(10'000, c));
      });
    }
  }
  const std::string text = read_text(folder.path("x"));
  EXPECT_EQ(text, std::string(10'000, text[0]));
  EXPECT_THAT(folder.names(), ElementsAre("x"));
}

TEST(AtomicFolderTest, AppearsAtCommit) {
  const TemporaryFolder folder;
  const std::string final_path =
      folder.path("runs/one/");  // parents are made, the slash is no matter
  AtomicFolder atomic(final_path);
  write_text(atomic.path() + "/a", "1");
  fs::create_directory(atomic.path() + "/sub");
  write_text(atomic.path() + "/sub/b", "2");
  EXPECT_FALSE(fs::exists(final_path));
  atomic.commit();
  EXPECT_EQ(read_text(folder.path("runs/one/a")), "1");
  EXPECT_EQ(read_text(folder.path("runs/one/sub/b")), "2");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path("runs")), {}), 1);
}

TEST(AtomicFolderTest, WithoutCommitNothingIsLeft) {
  const TemporaryFolder folder;
  {
    const AtomicFolder atomic(folder.path("x"));
    write_text(atomic.path() + "/a", "1");
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(AtomicFolderTest, ReplacesAFolderWhole) {
  const TemporaryFolder folder;
  for (const std::string name : {"old", "new"}) {
    AtomicFolder atomic(folder.path("x"));
    write_text(atomic.path() + "/" + name, name);
    atomic.commit();
  }
  EXPECT_THAT(folder.names(), ElementsAre("x"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path("x")), {}), 1);
  EXPECT_EQ(read_text(folder.path("x/new")), "new");
}

TEST(AtomicFolderTest, RefusesToReplaceAFile) {
  const TemporaryFolder folder;
  write_text(folder.path("x"), "file");
  SALUS_EXPECT_ERROR(AtomicFolder atomic(folder.path("x")), HasSubstr("File exists"));
  EXPECT_EQ(read_text(folder.path("x")), "file");
}

TEST(AtomicFolderTest, RefusesAFolderBelowAFile) {
  const TemporaryFolder folder;
  write_text(folder.path("x"), "file");
  SALUS_EXPECT_ERROR(AtomicFolder atomic(folder.path("x/y/z")), HasSubstr("Cannot make folder"));
}

std::string sha256_text(const std::string& text) {
  return sha256(std::as_bytes(std::span(text.data(), text.size())));
}

// The examples of NIST for FIPS 180-4.
TEST(Sha256Test, EqualsTheExamplesOfNist) {
  EXPECT_EQ(sha256_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_text(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, EveryLengthAroundABlockDiffers) {
  const std::string text(130, 'x');
  for (std::size_t n = 54; n < 130; ++n) {
    EXPECT_NE(sha256_text(text.substr(0, n)), sha256_text(text.substr(0, n + 1)));
  }
}

TEST(Sha256Test, AFileHashesLikeItsBytes) {
  const TemporaryFolder folder;
  const std::string text((1 << 20) + 3, 'q');
  write_text(folder.path("a"), text);
  EXPECT_EQ(sha256_file(folder.path("a")), sha256_text(text));
  EXPECT_THROW(sha256_file(folder.path("none")), Error);
}

class CpuQuotaTest : public ::testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(folder_.path(file)).parent_path());
    write_text(folder_.path(file), text);
  }
  double quota(const std::string& membership) {
    return cgroup_cpu_quota(membership, folder_.path());
  }
  TemporaryFolder folder_;
};

TEST_F(CpuQuotaTest, TakesTheLeastOfAGroupAndThoseAbove) {
  put("a/b/cpu.max", "400000 100000\n");
  put("a/cpu.max", "150000 100000\n");
  put("cpu.max", "max 100000\n");
  EXPECT_DOUBLE_EQ(quota("0::/a/b\n"), 1.5);
}

TEST_F(CpuQuotaTest, MaxIsNoLimit) {
  put("cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/\n"), 0);
}

TEST_F(CpuQuotaTest, FindsTheContainersOwnRootForAHostPath) {
  put("cpu.max", "200000 100000\n");
  EXPECT_DOUBLE_EQ(quota("0::/docker/0123\n"), 2);
}

TEST_F(CpuQuotaTest, ReadsVersion1UnderEitherMountName) {
  put("cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n");
  put("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(quota("4:cpu,cpuacct:/x\n3:memory:/x\n"), 0.5);
  put("cpu/y/cpu.cfs_quota_us", "-1\n");
  put("cpu/y/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("4:cpu:/y\n"), 0);
}

TEST_F(CpuQuotaTest, NonsenseIsNoLimit) {
  put("cpu.max", "many\n");
  EXPECT_EQ(quota("0::/\n"), 0);
  EXPECT_EQ(quota("nothing"), 0);
  EXPECT_EQ(quota(""), 0);
}

TEST(AvailableThreadsTest, HonoursTheAffinityOfTheProcess) {
  EXPECT_GE(available_threads(), 1);
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(available_threads(), 1);
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace
}  // namespace salus::io
