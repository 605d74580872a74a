#include "engine/core/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <vector>

namespace salus {
namespace {

long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/// Takes, writes and frees 144 MB, as the activations of a training step are: a large one and smaller.
void take_and_free() {
  std::vector<std::unique_ptr<char[]>> buffers;
  for (const std::size_t bytes : {48 << 20, 16 << 20, 16 << 20, 64 << 20}) {
    buffers.emplace_back(new char[bytes]);
    std::memset(buffers.back().get(), 1, bytes);
  }
}

TEST(MemoryTest, FreedMemoryIsTakenAgainWithoutPageFaults) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer brings its own allocator";
#endif
  keep_memory();
  take_and_free();
  const long before = page_faults();
  for (int i = 0; i < 5; ++i) take_and_free();
  EXPECT_LT(page_faults() - before, 1000);  // 36,864 pages each time when given back
}

}  // namespace
}  // namespace salus
