#include "engine/io/stop_signals.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>

namespace salus::io {
namespace {

bool wakes(const StopSignals& signals) {
  pollfd on{signals.descriptor(), POLLIN, 0};
  return ::poll(&on, 1, 0) == 1 && (on.revents & POLLIN) != 0;
}

volatile std::sig_atomic_t g_before = 0;

TEST(StopSignalsTest, TheFirstSignalIsNotedAndWakesAPoll) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const StopSignals signals;
    EXPECT_EQ(signals.received(), 0);
    EXPECT_FALSE(wakes(signals));
    std::raise(signal);
    EXPECT_EQ(signals.received(), signal);
    EXPECT_TRUE(wakes(signals));
    EXPECT_TRUE(wakes(signals)) << "it stays so";
  }
}

TEST(StopSignalsTest, ASecondSignalOfTheKindEndsTheProcess) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const StopSignals signals;
        std::raise(SIGINT);
        std::raise(SIGTERM);
        std::raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignalsTest, WhatASignalDidBeforeItDoesAfterwards) {
  const auto old = std::signal(SIGTERM, [](int) { g_before = 1; });
  {
    const StopSignals signals;
  }
  std::raise(SIGTERM);
  EXPECT_EQ(g_before, 1);
  std::signal(SIGTERM, old);
}

}  // namespace
}  // namespace salus::io
