#include "engine/train/memory.h"

#include <malloc.h>
#include <stdlib.h>

namespace salus::train {

void keep_memory() {
#ifdef M_TRIM_THRESHOLD                       // glibc
  constexpr int kLargestFromHeap = 32 << 20;  // what glibc allows at most
  constexpr int kNeverTrim = 2'000'000'000;
  mallopt(M_MMAP_THRESHOLD, kLargestFromHeap);
  mallopt(M_TRIM_THRESHOLD, kNeverTrim);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
}

}  // namespace salus::train
