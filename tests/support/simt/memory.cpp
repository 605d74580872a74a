#include "tests/support/simt/memory.h"

#include <link.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "tests/support/simt/cuda_builtins.h"
#include "tests/support/simt/scheduler.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

namespace simt {
namespace {

constexpr std::size_t kAlignment = 256;  // cudaMalloc's
constexpr std::size_t kGuard = 1024;
constexpr unsigned char kGuardByte = 0xa5;
constexpr std::size_t kNear = 4096;

/// Code, constants and static data of the program and its libraries.
bool is_static(std::uintptr_t address) {
  static const auto kRanges = [] {
    std::vector<std::pair<std::uintptr_t, std::size_t>> ranges;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* out) {
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& header = info->dlpi_phdr[i];
            if (header.p_type != PT_LOAD) continue;
            static_cast<decltype(ranges)*>(out)->emplace_back(info->dlpi_addr + header.p_vaddr,
                                                              header.p_memsz);
          }
          return 0;
        },
        &ranges);
    return ranges;
  }();
  return std::any_of(kRanges.begin(), kRanges.end(),
                     [&](const auto& range) { return address - range.first < range.second; });
}

/// The array that each place of the code touched last: nearly always it is the same again.
Array* g_last_at[256] = {};

Array*& last_at(const void* place) {
  return g_last_at[reinterpret_cast<std::uintptr_t>(place) >> 2 & 255];
}

Array* find_array(std::uintptr_t address) {
  for (Array* array : global_arrays()) {
    if (array->contains(address)) return array;
  }
  return Scheduler::current()->shared_containing(address);
}

[[noreturn]] void fail_unknown(std::uintptr_t address, std::size_t bytes, Access kind) {
  Scheduler& scheduler = *Scheduler::current();
  const Array* near = scheduler.shared_near(address);
  for (const Array* array : global_arrays()) {
    if (array->is_near(address)) near = array;
  }
  const std::string what =
      std::string(kind == Access::kRead ? "reads " : "writes ") + std::to_string(bytes) + " bytes";
  const std::string who = scheduler.name_of(scheduler.running_id());
  if (near == nullptr) {
    scheduler.fail("Out of bounds: " + who + " " + what + " that belong to no registered array.");
  }
  scheduler.fail("Out of bounds: " + who + " " + what + " at " + near->describe(address) +
                 ", an array of " + std::to_string(near->bytes()) + " bytes.");
}

}  // namespace

std::vector<Array*>& global_arrays() {
  static std::vector<Array*> arrays;
  return arrays;
}

void note_access(std::uintptr_t address, std::size_t bytes, Access kind, const void* place) {
  Scheduler* scheduler = Scheduler::current();
  Thread* thread = scheduler != nullptr ? scheduler->running() : nullptr;
  if (thread == nullptr) return;  // the host's own
  if (kind != Access::kAtomic && thread->inside_emulator > 0) return;
  const EmulatorScope scope(thread);
  scheduler->note_step();
  if (thread->fiber->owns(address)) return;  // registers and local memory
  Array*& last = last_at(place);
  if (last == nullptr || !last->contains(address)) last = find_array(address);
  if (Array* array = last; array != nullptr) {
    array->access(address, bytes, kind);
    scheduler->note_request(*array, address, bytes, place);
  } else if (!scheduler->in_closure(address) && !is_static(address)) {
    fail_unknown(address, bytes, kind);
  }
}

void note_misaligned(const void* address, std::size_t bytes, Access kind) {
  const Scheduler* scheduler = Scheduler::current();
  const Thread* thread = scheduler != nullptr ? scheduler->running() : nullptr;
  if (thread == nullptr || thread->inside_emulator > 0) return;
  check_aligned(address, bytes, kind == Access::kRead ? "a load" : "a store");
}

Array::Array(std::string name, std::size_t bytes, std::size_t element_bytes, Space space)
    : name_(std::move(name)), bytes_(bytes), element_bytes_(element_bytes), space_(space) {
  storage_ = std::make_unique<unsigned char[]>(bytes + 2 * kGuard + kAlignment);
  const auto start = reinterpret_cast<std::uintptr_t>(storage_.get()) + kGuard;
  if (std::has_single_bit(element_bytes)) element_shift_ = std::countr_zero(element_bytes);
  begin_ = (start + kAlignment - 1) / kAlignment * kAlignment;
  data_ = reinterpret_cast<unsigned char*>(begin_);
  elements_.resize(counts_accesses() ? bytes_ / element_bytes_ + 1 : 0);
  poison();
  if (space == Space::kGlobal) global_arrays().push_back(this);
}

Array::~Array() {
  ASAN_UNPOISON_MEMORY_REGION(data_ - kGuard, bytes_ + 2 * kGuard);
  std::erase(global_arrays(), this);
  std::fill(std::begin(g_last_at), std::end(g_last_at), nullptr);
}

void Array::poison() {
  ASAN_UNPOISON_MEMORY_REGION(data_ - kGuard, bytes_ + 2 * kGuard);
  std::memset(data_ - kGuard, kGuardByte, bytes_ + 2 * kGuard);
  std::memset(data_, 0xff, bytes_);
  ASAN_POISON_MEMORY_REGION(data_ - kGuard, kGuard);
  ASAN_POISON_MEMORY_REGION(data_ + bytes_, kGuard);
  if (space_ == Space::kShared) since_ = Scheduler::current()->first_id_of_block();
  for (const std::size_t index : expected_) elements_[index].expected = false;
  expected_.clear();
}

void Array::mark_initialised() { filled_by_host_ = true; }

void Array::forget_launch() {
  since_ = Scheduler::current()->first_id_of_launch();
  traffic_ = {};
}

bool Array::guards_intact() const {
#if defined(__SANITIZE_ADDRESS__)
  return true;  // AddressSanitizer has stopped the program at the write
#else
  static const auto kWhole = [] {
    std::array<unsigned char, kGuard> bytes;
    bytes.fill(kGuardByte);
    return bytes;
  }();
  return std::memcmp(data_ - kGuard, kWhole.data(), kGuard) == 0 &&
         std::memcmp(data_ + bytes_, kWhole.data(), kGuard) == 0;
#endif
}

bool Array::is_near(std::uintptr_t address) const {
  return address - (begin_ - kNear) < bytes_ + 2 * kNear;
}

std::string Array::describe(std::uintptr_t address) const {
  const auto offset = static_cast<std::int64_t>(address - begin_);
  const auto size = static_cast<std::int64_t>(element_bytes_);
  const std::int64_t index = offset >= 0 ? offset / size : (offset - size + 1) / size;
  return "'" + name_ + "'[" + std::to_string(index) + "]";
}

void Array::access(std::uintptr_t address, std::size_t bytes, Access kind) {
  if (address + bytes > begin_ + bytes_) fail_unknown(address, bytes, kind);
  traffic_.widest = std::max<std::uint64_t>(traffic_.widest, bytes);
  if (kind != Access::kWrite) ++traffic_.reads, traffic_.bytes_read += bytes;
  if (kind != Access::kRead) ++traffic_.writes, traffic_.bytes_written += bytes;
  Stamp now = stamp_of_running();
  now.atomic = kind == Access::kAtomic ? 1 : 0;
  const std::size_t first = index_of(address);
  const std::size_t last = index_of(address + bytes - 1);
  for (std::size_t i = first; i <= last; ++i) check_element(i, kind, now);
}

Array::Stamp Array::stamp_of_running() const {
  const Scheduler& scheduler = *Scheduler::current();
  const Thread& thread = *scheduler.running();
  return {scheduler.running_id(), scheduler.epoch(), thread.seen[thread.lane()]};
}

void Array::expect(std::uintptr_t address, std::size_t bytes) {
  std::memset(data_ + (address - begin_), 0xff, bytes);
  if (elements_.empty()) return;  // built without hooks
  for (std::size_t at = 0; at < bytes; ++at) {
    const std::size_t index = index_of(address + at);
    if (!std::exchange(elements_[index].expected, true)) expected_.push_back(index);
  }
}

void Array::land(std::uintptr_t address, std::size_t bytes) {
  if (elements_.empty()) return;
  for (std::size_t at = 0; at < bytes; ++at) {
    Element& element = elements_[index_of(address + at)];
    element.expected = false;
    element.write = stamp_of_running();
  }
}

bool Array::was_written(const Element& element) const {
  // What an earlier launch wrote to global memory is still there.
  return filled_by_host_ || element.write.thread >= (space_ == Space::kShared ? since_ : 1);
}

void Array::check_element(std::size_t index, Access kind, const Stamp& now) {
  Element& element = elements_[index];
  Scheduler& scheduler = *Scheduler::current();
  if (element.expected) {
    scheduler.fail("In flight: " + scheduler.name_of(now.thread) + " touches " +
                   describe(begin_ + index * element_bytes_) +
                   ", to which an asynchronous copy of " + scheduler.name_of(element.write.thread) +
                   " is on its way: a wait for its group is missing.");
  }
  if (kind != Access::kWrite && !was_written(element)) {
    scheduler.fail("Uninitialised: " + scheduler.name_of(now.thread) + " reads " +
                   describe(begin_ + index * element_bytes_) + " before it is written.");
  }
  check_race(index, element.write, now);
  if (kind != Access::kRead) {
    check_race(index, element.read, now);
    check_race(index, element.earlier_read, now);
    if (element.write.thread < since_) ++traffic_.elements_written;
    element.write = now;
  }
  if (kind != Access::kWrite) {
    if (element.read.thread < since_) ++traffic_.elements_read;
    // Two different readers are kept, so that a writer which also read cannot hide the other.
    if (element.read.thread != now.thread) element.earlier_read = element.read;
    element.read = now;
  }
}

inline void Array::check_race(std::size_t index, const Stamp& before, const Stamp& now) const {
  if (before.thread < since_ || before.thread == now.thread) return;
  if (before.atomic != 0 && now.atomic != 0) return;
  if (Scheduler::current()->is_ordered(before.thread, before.epoch, before.clock)) return;
  fail_race(index, before, now);
}

void Array::fail_race(std::size_t index, const Stamp& before, const Stamp& now) const {
  Scheduler& scheduler = *Scheduler::current();
  const bool blocks = !scheduler.in_this_block(before.thread);
  scheduler.fail(
      "Race: " + scheduler.name_of(now.thread) + " and " + scheduler.name_of(before.thread) +
      " touch " + describe(begin_ + index * element_bytes_) + ", at least one writes, and " +
      (blocks ? "nothing orders two blocks of a launch." : "no barrier stands between them."));
}

}  // namespace simt
