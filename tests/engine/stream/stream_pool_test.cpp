#include "engine/stream/stream_pool.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "engine/io/files.h"
#include "engine/stream/snapshot.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Said = std::map<std::string, std::vector<double>>;

StreamPool::Scored into(Said& said) {
  return [&said](std::string_view id, const Risk& risk) {
    said[std::string(id)] = risk.probabilities;
  };
}

/// Events of `stays` random stays, mixed, in order of time in each.
struct Ward {
  explicit Ward(int stays, unsigned seed = 1) {
    std::mt19937 random(seed);
    for (int i = 0; i < stays; ++i) ids.push_back("stay" + std::to_string(i));
    std::vector<std::size_t> next(ids.size());
    for (int i = 0; i < stays; ++i) of.emplace_back(seed + static_cast<unsigned>(i), 40);
    for (int left = stays * 40; left > 0;) {
      const std::size_t i = random() % ids.size();
      if (next[i] == 40) continue;
      events.push_back({ids[i], of[i].events[next[i]++]});
      --left;
    }
  }
  std::vector<std::string> ids;
  std::vector<RandomStay> of;
  std::vector<PoolEvent> events;
};

TEST(StreamPool, SaysOfEachStayWhatAStreamOfItsOwnSays) {
  const Ward ward(50);
  const auto model = small_model({.history = 1, .refractory = 0.5});
  StreamPool pool(model, {.batch = 7});
  std::map<std::string, VitalsStream> streams;
  std::mt19937 random(3);
  for (std::size_t begin = 0; begin < ward.events.size();) {
    const auto some =
        std::span(ward.events)
            .subspan(begin, std::min<std::size_t>(1 + random() % 200, ward.events.size() - begin));
    Said expected, said;
    for (const auto& event : some) {
      auto& stream = streams.try_emplace(std::string(event.stay), model).first->second;
      expected[std::string(event.stay)] = stream.push(event.event).probabilities;
    }
    pool.push(some, 0, into(said));
    ASSERT_EQ(said, expected);
    begin += some.size();
  }
  EXPECT_EQ(pool.size(), 50);
}

TEST(StreamPool, StaysComeWithTheirStatics) {
  const std::vector<float> old = {1, 0};
  StreamPool pool(small_model(), {}, [&](std::string_view id) {
    return id == "old" ? std::span<const float>(old) : std::span<const float>();
  });
  Said said;
  pool.push(std::vector<PoolEvent>{{"old", {0.1, "HR", 80}}, {"new", {0.1, "HR", 80}}}, 0,
            into(said));
  VitalsStream stream(small_model(), old);
  EXPECT_EQ(said["old"], stream.push({0.1, "HR", 80}).probabilities);
  EXPECT_NE(said["old"], said["new"]);
}

TEST(StreamPool, ADischargedStayBeginsAnew) {
  StreamPool pool(small_model());
  Said said;
  const std::vector<PoolEvent> first = {{"a", {0.1, "HR", 80}}}, second = {{"a", {0.2, "HR", 200}}};
  pool.push(first, 0, into(said));
  const auto fresh = said["a"];
  pool.push(second, 0, into(said));
  EXPECT_NE(said["a"], fresh);
  EXPECT_TRUE(pool.discharge("a"));
  EXPECT_FALSE(pool.discharge("a"));
  EXPECT_FALSE(pool.contains("a"));
  pool.push(first, 0, into(said));
  EXPECT_EQ(said["a"], fresh);
}

TEST(StreamPool, SilentStaysAreFlaggedOnceAndThenLetGo) {
  StreamPool pool(small_model({.stale_after = 2}), {.evict_after = 5});
  pool.push(std::vector<PoolEvent>{{"a", {0.1, "HR", 80}}, {"b", {0.1, "HR", 80}}}, 100, {});
  pool.push(std::vector<PoolEvent>{{"b", {0.2, "HR", 80}}}, 101.5, {});
  std::vector<std::string> stale;
  const auto note = [&](std::string_view id, const Risk& risk) {
    EXPECT_TRUE(risk.stale);
    stale.emplace_back(id);
  };
  EXPECT_EQ(pool.sweep(101.9, note), 0);
  EXPECT_THAT(stale, ElementsAre());
  pool.sweep(102.5, note);
  pool.sweep(102.6, note);
  EXPECT_THAT(stale, ElementsAre("a"));
  pool.push(std::vector<PoolEvent>{{"a", {0.3, "HR", 80}}}, 103,
            [](std::string_view, const Risk& risk) { EXPECT_FALSE(risk.stale); });
  EXPECT_EQ(pool.sweep(107, note), 1) << "b was silent for 5.5 hours";
  EXPECT_THAT(stale, ElementsAre("a", "a")) << "heard again, and stale again";
  EXPECT_FALSE(pool.contains("b"));
  EXPECT_TRUE(pool.contains("a"));
}

TEST(StreamPool, HoldsNoMoreStaysThanItsCapacity) {
  StreamPool pool(small_model(), {.capacity = 2});
  Said said;
  const std::string long_id(StreamPool::kMostIdBytes + 1, 'x');
  pool.push(std::vector<PoolEvent>{{long_id, {0, "HR", 80}},
                                   {"", {0, "HR", 80}},
                                   {"a", {0, "HR", 80}},
                                   {"b", {0, "HR", 80}},
                                   {"c", {0, "HR", 80}},
                                   {"a", {0.1, "HR", 81}}},
            0, into(said));
  EXPECT_EQ(said.size(), 2U);
  EXPECT_EQ(pool.turned_away(), 3);
  pool.discharge("a");
  pool.push(std::vector<PoolEvent>{{"c", {0, "HR", 80}}}, 0, into(said));
  EXPECT_TRUE(pool.contains("c"));
}

TEST(StreamPool, ASnapshotGoesOnToTheBit) {
  const test::TemporaryFolder folder;
  const Ward ward(40);
  const auto half = std::span(ward.events).first(ward.events.size() / 2);
  const auto rest = std::span(ward.events).subspan(half.size());
  StreamPool pool(small_model()), restored(small_model());
  pool.push(half, 17, {}, 1234);
  pool.save(folder.path("ward"));
  EXPECT_EQ(restored.restore(folder.path("ward")), 1234);
  EXPECT_EQ(restored.size(), pool.size());
  Said a, b;
  pool.push(rest, 18, into(a));
  restored.push(rest, 18, into(b));
  EXPECT_EQ(a, b);
  EXPECT_GT(a.size(), 30U);
}

TEST(StreamPool, KeepsTheSnapshotBefore) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("ward");
  StreamPool pool(small_model());
  for (int i = 1; i <= 3; ++i) {
    pool.push(std::vector<PoolEvent>{{"stay" + std::to_string(i), {0, "HR", 80}}}, 0, {}, i);
    pool.save(path);
  }
  StreamPool restored(small_model());
  EXPECT_EQ(restored.restore(path), 3);
  EXPECT_EQ(restored.restore(path + ".previous"), 2);
  EXPECT_EQ(restored.size(), 2);
  EXPECT_THAT(folder.names(), ElementsAre("ward", "ward.previous"));
}

TEST(StreamPool, RefusesADamagedSnapshotByNameAndStaysAsItWas) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("ward");
  StreamPool pool(small_model());
  pool.push(Ward(5).events, 0, {}, 1);
  pool.save(path);
  const auto whole = io::read_file(path);
  StreamPool other(small_model());
  other.push(std::vector<PoolEvent>{{"mine", {0, "HR", 80}}}, 0, {});
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{127},
                                   std::size_t{128}, whole.size() / 2, whole.size() - 1}) {
    test::write_test_file(path,
                          {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    SALUS_EXPECT_ERROR(other.restore(path), HasSubstr(path));
  }
  for (std::size_t i = 0; i < whole.size(); i += 37) {
    auto damaged = whole;
    damaged[i] ^= std::byte{1};
    test::write_test_file(path, damaged);
    SALUS_EXPECT_ERROR(other.restore(path), HasSubstr(path));
  }
  EXPECT_EQ(other.size(), 1);
  EXPECT_TRUE(other.contains("mine"));
  SALUS_EXPECT_ERROR(StreamPool(small_model(), {.capacity = 0}), HasSubstr("0 stays"));
  test::write_test_file(path, whole);
  StreamPool narrow(small_model(), {.capacity = 4});
  SALUS_EXPECT_ERROR(narrow.restore(path), HasSubstr("more stays than the 4"));
}

TEST(StreamPool, OfADamagedSnapshotTheErrorSaysHowToGoOnFromTheOneBefore) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("ward");
  StreamPool pool(small_model()), other(small_model());
  pool.push(std::vector<PoolEvent>{{"a", {0, "HR", 80}}}, 0, {}, 1);
  pool.save(path);
  test::write_test_file(path, std::vector<std::byte>(200, std::byte{7}));
  SALUS_EXPECT_ERROR(other.restore(path), HasSubstr("There is none before it; move " + path));
  pool.save(path + ".previous");
  SALUS_EXPECT_ERROR(other.restore(path),
                     HasSubstr("go on from that, move " + path + ".previous to " + path));
  std::filesystem::rename(path + ".previous", path);
  EXPECT_EQ(other.restore(path), 1);
}

TEST(StreamPool, RequiresBeforeItIsNeededThatASnapshotCanBeWritten) {
  const test::TemporaryFolder folder;
  require_snapshot_writable(folder.path("ward"));
  EXPECT_THAT(folder.names(), ElementsAre()) << "it leaves nothing behind";
  SALUS_EXPECT_ERROR(require_snapshot_writable(folder.path("no/ward")), HasSubstr("no/ward"));
  SALUS_EXPECT_ERROR(require_snapshot_writable(folder.path()), HasSubstr("no regular file"));
  SALUS_EXPECT_ERROR(require_snapshot_writable("/dev/null"), HasSubstr("no regular file"));
  std::filesystem::create_directory(folder.path("ward.previous"));
  SALUS_EXPECT_ERROR(require_snapshot_writable(folder.path("ward")), HasSubstr("ward.previous"));
}

TEST(StreamPool, AWriterThatFailsLeavesTheSnapshotAndNoOtherFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("ward");
  StreamPool pool(small_model()), restored(small_model());
  pool.push(std::vector<PoolEvent>{{"a", {0, "HR", 80}}}, 0, {}, 1);
  pool.save(path);
  std::filesystem::create_directory(path + ".previous");
  SALUS_EXPECT_ERROR(pool.save(path), HasSubstr("ward.previous"));
  EXPECT_THAT(folder.names(), ElementsAre("ward", "ward.previous"));
  EXPECT_EQ(restored.restore(path), 1);
}

TEST(StreamPool, AKilledWriterLeavesAWholeSnapshot) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("ward");
  const Ward ward(300);
  StreamPool pool(small_model());
  pool.push(ward.events, 0, {}, 1);
  pool.save(path);
  int killed = 0;
  for (int i = 0; i < 25; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::int64_t n = 2;; ++n) {
        pool.push(std::span(ward.events).first(1), 0, {}, n);
        pool.save(path);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + 700 * i));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    StreamPool restored(small_model());
    EXPECT_GE(restored.restore(path), 1);
    EXPECT_EQ(restored.size(), 300);
  }
  EXPECT_EQ(killed, 25);
}

TEST(StreamPool, ASnapshotTakenWhileEventsComeInIsOneOfTheMomentsBetweenCalls) {
  const test::TemporaryFolder folder;
  const Ward ward(30);
  StreamPool pool(small_model());
  std::atomic<bool> done = false;
  std::vector<std::string> saved;
  std::thread saver([&] {
    for (int i = 0; !done || i < 3; ++i) {
      saved.push_back(folder.path("ward" + std::to_string(i)));
      pool.save(saved.back());
    }
  });
  const auto prefix = [&](std::int64_t calls) {
    return std::span(ward.events).first(static_cast<std::size_t>(calls) * 5);
  };
  const auto calls = std::ssize(ward.events) / 5;
  for (std::int64_t call = 0; call < calls; ++call) {
    pool.push(prefix(call + 1).subspan(static_cast<std::size_t>(call) * 5), 0, {}, call + 1);
  }
  done = true;
  saver.join();
  for (const std::string& path : saved) {
    StreamPool restored(small_model()), replayed(small_model());
    const std::int64_t moment = restored.restore(path);
    replayed.push(prefix(moment), 0, {});
    Said a, b;
    restored.push(ward.events, 0, into(a));
    replayed.push(ward.events, 0, into(b));
    EXPECT_EQ(a, b) << path << " after call " << moment;
  }
}

TEST(StreamPool, HoldsAHundredThousandStaysInTheMemoryItStates) {
  const test::TemporaryFolder folder;
  constexpr int kStays = 100'000;
  StreamPool pool(small_model(), {.batch = 256});
  std::vector<std::string> ids;
  for (int i = 0; i < kStays; ++i) ids.push_back("s" + std::to_string(i));
  const auto resident = [] {
    const std::string text = io::read_text("/proc/self/statm");
    return std::stoll(text.substr(text.find(' '))) * 4096;
  };
  const auto before = resident();
  Said last;
  for (const double time : {0.1, 0.7, 2.0}) {
    std::vector<PoolEvent> events;
    for (int i = 0; i < kStays; ++i) {
      events.push_back({ids[static_cast<std::size_t>(i)], {time, "HR", 50.0F + float(i % 100)}});
      if (events.size() < 10'000) continue;
      std::size_t scored = 0;
      pool.push(events, time, [&](std::string_view, const Risk&) { ++scored; });
      EXPECT_EQ(scored, 10'000U);
      events.clear();
    }
  }
  EXPECT_EQ(pool.size(), kStays);
  constexpr std::int64_t kOfACall = 16 << 20;  // events and lists of one call
  EXPECT_LT(resident() - before,
            static_cast<std::int64_t>(pool.bytes_per_stay()) * kStays + kOfACall);
  pool.save(folder.path("ward"));
  StreamPool restored(small_model());
  restored.restore(folder.path("ward"));
  EXPECT_EQ(restored.size(), kStays);
  Said a, b;
  std::vector<PoolEvent> some;
  for (std::size_t i = 0; i < ids.size(); i += 97) some.push_back({ids[i], {2.1, "Temp", 39}});
  pool.push(some, 3, into(a));
  restored.push(some, 3, into(b));
  EXPECT_EQ(a, b);
  VitalsStream alone(small_model());
  for (const double time : {0.1, 0.7, 2.0}) alone.push({time, "HR", 50.0F + 97 % 100});
  EXPECT_EQ(a["s97"], alone.push({2.1, "Temp", 39}).probabilities);
}

}  // namespace
}  // namespace salus::stream
