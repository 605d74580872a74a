#include "tests/support/simt/cuda_builtins.h"

#include <cstring>
#include <string>

#include "tests/support/simt/scheduler.h"

namespace simt {
namespace {

Scheduler& scheduler() {
  if (Scheduler::current() == nullptr) {
    throw Failure("A CUDA function was called outside of a launch.");
  }
  return *Scheduler::current();
}

}  // namespace

unsigned barrier(const char* name, bool predicate, const char* file, int line) {
  const EmulatorScope scope(scheduler().running());
  return scheduler().barrier(name, predicate, {file, line});
}

void* shared_array(const void* key, const char* name, std::size_t element_bytes,
                   std::size_t bytes) {
  const EmulatorScope scope(scheduler().running());
  return scheduler().shared_array(key, name, element_bytes, bytes);
}

void* dynamic_shared(const char* name, std::size_t element_bytes) {
  const EmulatorScope scope(scheduler().running());
  return scheduler().dynamic_shared(name, element_bytes);
}

void check_aligned(const void* address, std::size_t bytes, const char* what) {
  const EmulatorScope scope(scheduler().running());
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  if (value % bytes == 0) return;
  const Array* array = nullptr;
  for (const Array* candidate : global_arrays()) {
    if (candidate->contains(value)) array = candidate;
  }
  if (array == nullptr) array = scheduler().shared_containing(value);
  scheduler().fail("Misaligned: " + scheduler().name_of(scheduler().running_id()) + ": " + what +
                   (array != nullptr ? " on " + array->describe(value) : std::string()) +
                   ", whose address is no multiple of " + std::to_string(bytes) + ".");
}

void fail(const char* message) {
  const EmulatorScope scope(scheduler().running());
  scheduler().fail(message);
}

void load128(const void* from, void* pack) {
  check_aligned(from, 16, "load128");
  if (counts_accesses()) {
    note_access(reinterpret_cast<std::uintptr_t>(from), 16, Access::kRead,
                __builtin_return_address(0));
  }
  std::memcpy(pack, from, 16);
}

void store128(void* to, const void* pack) {
  check_aligned(to, 16, "store128");
  if (counts_accesses()) {
    note_access(reinterpret_cast<std::uintptr_t>(to), 16, Access::kWrite,
                __builtin_return_address(0));
  }
  std::memcpy(to, pack, 16);
}

}  // namespace simt
