#include "engine/core/memory.h"

#include <malloc.h>
#include <stdlib.h>

namespace salus {

void keep_memory() {
#ifdef M_TRIM_THRESHOLD  // glibc
  constexpr int kNeverTrim = 2'000'000'000;
  mallopt(M_MMAP_MAX, 0);  // everything from the heap: what is mapped goes back when it is freed
  mallopt(M_TRIM_THRESHOLD, kNeverTrim);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
}

}  // namespace salus
