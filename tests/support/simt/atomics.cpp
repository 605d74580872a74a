#include "tests/support/simt/atomics.h"

#include "tests/support/simt/cuda_builtins.h"
#include "tests/support/simt/scheduler.h"

namespace simt {

void begin_atomic(const void* address, std::size_t bytes, const void* place) {
  const EmulatorScope scope(Scheduler::current()->running());
  Scheduler::current()->may_yield();
  check_aligned(address, bytes, "an atomic");
  if (!counts_accesses()) return;
  note_access(reinterpret_cast<std::uintptr_t>(address), bytes, Access::kAtomic, place);
}

}  // namespace simt
