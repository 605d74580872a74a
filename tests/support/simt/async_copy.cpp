#include "tests/support/simt/async_copy.h"

#include <cstring>
#include <string>
#include <utility>

#include "tests/support/simt/cuda_builtins.h"
#include "tests/support/simt/scheduler.h"

namespace simt {
namespace {

constexpr std::size_t kCopyBytes = 16;

Array* shared_at(const void* address) {
  return Scheduler::current()->shared_containing(reinterpret_cast<std::uintptr_t>(address));
}

/// Fails unless the copy goes from global to shared memory.
void check_spaces(const void* to, const void* from, bool valid, const char* file, int line) {
  Scheduler& scheduler = *Scheduler::current();
  const EmulatorScope scope(scheduler.running());
  scheduler.running()->at = {file, line};
  const bool from_shared = valid && shared_at(from) != nullptr;
  if (shared_at(to) != nullptr && !from_shared) return;
  scheduler.fail("Wrong space: " + scheduler.name_of(scheduler.running_id()) +
                 " copies asynchronously at line " + std::to_string(line) +
                 ", which goes from global to shared memory only.");
}

}  // namespace

void AsyncCopies::commit() { groups_.push_back(std::exchange(open_, {})); }

void AsyncCopies::wait(std::size_t pending) {
  for (; groups_.size() > pending; groups_.pop_front()) {
    for (const auto& [to, from] : groups_.front()) {
      if (from == nullptr) std::memset(to, 0, kCopyBytes);
      if (from != nullptr) std::memcpy(to, from, kCopyBytes);
      shared_at(to)->land(reinterpret_cast<std::uintptr_t>(to), kCopyBytes);
    }
  }
}

void copy_async16(void* to, const void* from, bool valid, const char* file, int line) {
  check_aligned(to, kCopyBytes, "copy_async16");
  check_aligned(from, kCopyBytes, "copy_async16");
  check_spaces(to, from, valid, file, line);
  const auto address = reinterpret_cast<std::uintptr_t>(to);
  if (counts_accesses()) {
    const auto* place = static_cast<const char*>(__builtin_return_address(0));
    if (valid) {
      note_access(reinterpret_cast<std::uintptr_t>(from), kCopyBytes, Access::kRead, place);
    }
    note_access(address, kCopyBytes, Access::kWrite, place + 1);
  }
  Scheduler& scheduler = *Scheduler::current();
  const EmulatorScope scope(scheduler.running());
  shared_at(to)->expect(address, kCopyBytes);
  scheduler.running()->copies.start(to, valid ? from : nullptr);
}

void copy_async_commit() {
  Thread* thread = Scheduler::current()->running();
  const EmulatorScope scope(thread);
  thread->copies.commit();
}

void copy_async_wait(int pending) {
  Thread* thread = Scheduler::current()->running();
  const EmulatorScope scope(thread);
  thread->copies.wait(static_cast<std::size_t>(pending));
}

}  // namespace simt
