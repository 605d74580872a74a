// Writers that are killed: every change has happened or not, and the next writer clears up.
#include <ATen/Parallel.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/engine/similar/writer_fixture.h"

namespace salus::similar {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

/// Runs `change` in a process of its own that is killed when `change` has done `steps` steps.
/// \returns whether it was killed, and did not end before.
bool killed_after(int steps, const std::function<void(IndexWriter::Observer)>& change) {
  const pid_t child = ::fork();
  if (child == 0) {
    at::set_num_threads(1);  // a forked process has no threads of the pool
    int left = steps;
    try {
      change([&](const std::string&) {
        if (--left == 0) ::raise(SIGKILL);
      });
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  return WIFSIGNALED(status);
}

class KilledWriterTest : public IndexWriterTest {
 protected:
  /// Kills `change` after each of its steps in turn. Each time the index is as before or as after,
  /// and the next writer goes on from there and leaves no file that belongs to nothing.
  void kill_at_every_step(const std::function<void(IndexWriter::Observer)>& change,
                          const std::vector<std::string>& after) {
    int kills = 0;
    for (int step = 1; step < 50; ++step) {
      std::filesystem::remove_all(path());
      prepare();
      const auto before = living_ids(Index::open(path()));
      if (!killed_after(step, change)) break;
      ++kills;
      const Index index = Index::open(path());
      index.verify();
      EXPECT_THAT(living_ids(index), AnyOf(before, after)) << "step " << step;
      IndexWriter writer(path());
      EXPECT_EQ(files().size(), 2 + files_named(writer.index())) << "step " << step;
      writer.append(source(30, 2), false);
      writer.index().verify();
      EXPECT_EQ(writer.index().find("p31"), writer.index().rows() - 1);
    }
    EXPECT_GE(kills, 4) << "the change was killed at fewer steps than it has";
    EXPECT_THAT(living_ids(Index::open(path())), ElementsAreArray(after)) << "not killed at all";
  }

  void prepare() {
    build();
    IndexWriter writer(path());
    writer.append(source(10, 5), false);
    writer.remove(Ids{"p1", "p12"});
  }

  static std::size_t files_named(const Index& index) {
    std::size_t count = 0;
    for (const auto& entry : index.manifest().segments) count += entry.alive.empty() ? 1 : 2;
    return count;
  }
};

TEST_F(KilledWriterTest, AnAppendHappensOrNot) {
  prepare();
  auto after = living_ids(Index::open(path()));
  after.push_back("p20");
  after.push_back("p21");
  kill_at_every_step(
      [&](IndexWriter::Observer kill) {
        IndexWriter(path(), std::move(kill)).append(source(20, 2), false);
      },
      after);
}

TEST_F(KilledWriterTest, AReplacementHappensOrNot) {
  prepare();
  auto after = living_ids(Index::open(path()));
  std::erase(after, "p3");
  std::erase(after, "p4");
  after.push_back("p3");
  after.push_back("p4");
  kill_at_every_step(
      [&](IndexWriter::Observer kill) {
        IndexWriter(path(), std::move(kill)).append(source(3, 2), true);
      },
      after);
}

TEST_F(KilledWriterTest, ADeletionHappensOrNot) {
  prepare();
  auto after = living_ids(Index::open(path()));
  std::erase(after, "p0");
  std::erase(after, "p14");
  kill_at_every_step(
      [&](IndexWriter::Observer kill) {
        IndexWriter(path(), std::move(kill)).remove(Ids{"p0", "p14"});
      },
      after);
}

TEST_F(KilledWriterTest, ACompactionChangesNoRow) {
  prepare();
  const auto after = living_ids(Index::open(path()));
  kill_at_every_step(
      [&](IndexWriter::Observer kill) { IndexWriter(path(), std::move(kill)).compact(); }, after);
}

TEST_F(KilledWriterTest, AReplacedIndexIsTheOldOneOrTheNewOne) {
  kill_at_every_step(
      [&](IndexWriter::Observer kill) {
        IndexWriter::create(path(), float_rows(), source(20, 3), true, std::move(kill));
      },
      {"p20", "p21", "p22"});
}

TEST_F(KilledWriterTest, KilledWhileItWritesRowsItLeavesNothing) {
  build();
  auto deadly = source(10, 5);
  deadly.read = [](std::int64_t, std::int64_t) -> at::Tensor {
    ::raise(SIGKILL);
    return {};
  };
  ASSERT_TRUE(killed_after(
      1000, [&](IndexWriter::Observer) { IndexWriter(path()).append(deadly, false); }));
  EXPECT_EQ(files().size(), 4u) << "the unfinished file is there";
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAreArray(names(10)));
  const IndexWriter next(path());
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(KilledWriterTest, AnInterruptedFirstBuildMayBeDoneAgain) {
  ASSERT_TRUE(killed_after(2, [&](IndexWriter::Observer kill) {
    IndexWriter::create(path(), float_rows(), source(0, 10), false, std::move(kill));
  }));
  SALUS_EXPECT_ERROR(Index::open(path()), HasSubstr("is not a similarity index"));
  build();
  EXPECT_THAT(living_ids(Index::open(path())), ElementsAreArray(names(10)));
  EXPECT_EQ(files().size(), 3u);
}

}  // namespace
}  // namespace salus::similar
