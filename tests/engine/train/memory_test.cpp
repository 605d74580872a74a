#include "engine/train/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <vector>

namespace salus::train {
namespace {

long page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/// Takes, writes and frees 128 MB, as the activations of a training step are.
void take_and_free() {
  std::vector<std::unique_ptr<char[]>> buffers;
  for (int i = 0; i < 8; ++i) {
    buffers.emplace_back(new char[16 << 20]);
    std::memset(buffers.back().get(), i, 16 << 20);
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
  EXPECT_LT(page_faults() - before, 1000);  // 32,768 pages each time when given back
}

}  // namespace
}  // namespace salus::train
