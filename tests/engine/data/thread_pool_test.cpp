#include "engine/data/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace salus::data {
namespace {

TEST(ThreadPoolTest, CallsEachIndexOnce) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> calls(1000);
  pool.for_each(1000, [&](std::int64_t i) { ++calls[i]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST(ThreadPoolTest, RethrowsTheLowestFailureAfterDoingTheRest) {
  ThreadPool pool(2);
  std::atomic<int> calls{0};
  try {
    pool.for_each(100, [&](std::int64_t i) {
      ++calls;
      if (i % 10 == 3) throw std::runtime_error("case " + std::to_string(i));
    });
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "case 3");
  }
  EXPECT_EQ(calls, 100);
}

TEST(ThreadPoolTest, NothingToDoReturnsAtOnce) {
  ThreadPool pool(2);
  pool.for_each(0, [](std::int64_t) { FAIL(); });
}

TEST(ThreadPoolTest, ServesSeveralCallersAtOnce) {
  ThreadPool pool(2);
  std::atomic<int> calls{0};
  std::thread other([&] { pool.for_each(500, [&](std::int64_t) { ++calls; }); });
  pool.for_each(500, [&](std::int64_t) { ++calls; });
  other.join();
  EXPECT_EQ(calls, 1000);
}

}  // namespace
}  // namespace salus::data
