// The part of the scheduler that owns a block's shared memory.
#include <algorithm>

#include "kernels/device.h"
#include "tests/support/simt/scheduler.h"

namespace simt {
namespace {

const char kDynamicKey = 0;

}  // namespace

void Scheduler::check_shared_bytes() {
  constexpr std::size_t kUnasked = salus::kernels::kUnaskedSharedBytes;
  std::size_t fixed = 0;
  for (const auto& [key, array] : shared_) fixed += key == &kDynamicKey ? 0 : array->bytes();
  // The launch's share counts whether or not the kernel ever names it.
  const std::size_t all = fixed + dynamic_bytes_;
  if (fixed > kUnasked) {
    fail("The kernel has " + std::to_string(fixed) +
         " bytes of static shared memory; CUDA allows at most " + std::to_string(kUnasked) + ".");
  }
  if (all > options_.most_shared_bytes) {
    fail("A block uses " + std::to_string(all) +
         " bytes of shared memory; the GPU gives it at most " +
         std::to_string(options_.most_shared_bytes) + ".");
  }
  if (all > kUnasked && !options_.ask_for_shared_memory) {
    fail("A block uses " + std::to_string(all) +
         " bytes of shared memory and the launch has not asked for them; CUDA gives at most " +
         std::to_string(kUnasked) + " unasked (allow_shared_memory() in kernels/launch_cuda.h).");
  }
}

void* Scheduler::shared_array(const void* key, const char* name, std::size_t element_bytes,
                              std::size_t bytes) {
  std::unique_ptr<Array>& array = shared_[key];
  if (array == nullptr) {
    array = std::make_unique<Array>(name, bytes, element_bytes, Space::kShared);
    report_.shared[name] += bytes;
    check_shared_bytes();
  }
  return array->data();
}

void* Scheduler::dynamic_shared(const char* name, std::size_t element_bytes) {
  // One piece of memory, whatever names and types the kernel gives it.
  if (dynamic_bytes_ == 0)
    fail(std::string("The kernel uses the dynamic shared array '") + name +
         "', but the launch gives it no bytes.");
  return shared_array(&kDynamicKey, name, element_bytes, dynamic_bytes_);
}

Array* Scheduler::shared_containing(std::uintptr_t address) const {
  for (const auto& [key, array] : shared_) {
    if (array->contains(address)) return array.get();
  }
  return nullptr;
}

Array* Scheduler::shared_near(std::uintptr_t address) const {
  for (const auto& [key, array] : shared_) {
    if (array->is_near(address)) return array.get();
  }
  return nullptr;
}

void Scheduler::finish_block() {
  requests_.finish_block();
  for (const auto& [key, array] : shared_) {
    if (!array->guards_intact()) {
      fail("Overrun: a thread of the block wrote beyond the shared array '" + array->name() + "'.");
    }
    add_traffic(*array, array->traffic());
    array->traffic() = {};
  }
  for (const Array* array : global_arrays()) {
    if (!array->guards_intact()) {
      fail("Overrun: a thread of the block wrote beyond the array '" + array->name() + "'.");
    }
  }
}

void Scheduler::add_traffic(const Array& array, const Traffic& traffic) {
  Traffic& sum = report_.traffic[array.name()];
  sum.reads += traffic.reads;
  sum.writes += traffic.writes;
  sum.bytes_read += traffic.bytes_read;
  sum.bytes_written += traffic.bytes_written;
  sum.elements_read += traffic.elements_read;
  sum.elements_written += traffic.elements_written;
  sum.transactions += traffic.transactions;
  sum.fewest_transactions += traffic.fewest_transactions;
  sum.widest = std::max(sum.widest, traffic.widest);
}

}  // namespace simt
