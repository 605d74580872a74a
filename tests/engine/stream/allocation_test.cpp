// Pushing allocates nothing: every operator new of this binary is counted.
#include <cstdlib>
#include <new>

#include "tests/engine/stream/stream_support.h"

namespace {
thread_local std::size_t allocations = 0;
}

// GCC does not see that both replaced operators belong together.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace salus::stream {
namespace {

TEST(Allocations, AreSeenByTheCounter) {
  const std::size_t before = allocations;
  std::string text(100, 'x');
  EXPECT_GT(allocations, before) << text;
}

TEST(Allocations, AreNoneInAPush) {
  for (const std::int32_t history : {0, 3}) {
    VitalsStream stream(small_model({.history = history, .duplicates = io::RowPolicy::kDrop}));
    RandomStay stay(3, 400);
    stream.push({0, "Mood", 1});  // an unknown name is remembered when it first comes
    stay.events.push_back({1.1, "Heart Rate", 70});  // late
    const std::size_t before = allocations;
    for (const auto& event : stay.events) stream.push(event);
    stream.advance(3.9);
    stream.look(30);
    EXPECT_EQ(allocations, before);
  }
}

TEST(Allocations, AreNoneInAPoolThatKnowsItsStays) {
  StreamPool pool(small_model());
  const RandomStay stay(3, 400);
  const std::vector<std::string> ids = {"a", "a stay with a long identifier", "c"};
  std::vector<PoolEvent> events;
  for (const auto& event : stay.events) {
    for (const auto& id : ids) events.push_back({id, event});
  }
  const StreamPool::Scored nothing = [](std::string_view, const Risk&) {};
  pool.push(events, 0, nothing);
  const std::size_t before = allocations;
  pool.push(events, 1, nothing);
  pool.sweep(1, nothing);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace salus::stream
