#include "tests/support/simt/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

uint3 threadIdx{};
uint3 blockIdx{};
dim3 blockDim{};
dim3 gridDim{};

namespace simt {
namespace {

Scheduler* g_current = nullptr;

/// Stacks are mapped once and serve every launch.
Fiber* pooled_fiber(unsigned number) {
  static std::vector<std::unique_ptr<Fiber>> pool;
  while (pool.size() <= number) pool.push_back(std::make_unique<Fiber>());
  return pool[number].get();
}

std::string in_hex(unsigned mask) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%08x", mask);
  return digits;
}

uint3 position_of(unsigned number, const dim3& extent) {
  return {number % extent.x, number / extent.x % extent.y, number / extent.x / extent.y};
}

std::string text(const uint3& p) {
  return "(" + std::to_string(p.x) + "," + std::to_string(p.y) + "," + std::to_string(p.z) + ")";
}

}  // namespace

Scheduler* Scheduler::current() { return g_current; }

Scheduler::Scheduler(dim3 grid, dim3 block, std::size_t shared_bytes, const Options& options)
    : grid_(grid),
      block_(block),
      dynamic_bytes_(shared_bytes),
      options_(options),
      random_(options.seed),
      block_size_(block.x * block.y * block.z) {
  if (g_current != nullptr) throw Failure("A launch inside of a launch is not emulated.");
  if (block_size_ == 0 || block_size_ > 1024 || block.z > 64) {
    throw Failure("A block has 1 to 1024 threads (z at most 64), this one " +
                  std::to_string(block_size_) + ".");
  }
  if (grid.y > 65535 || grid.z > 65535) throw Failure("A grid's y and z are at most 65535.");
  threads_.resize(block_size_);
  g_current = this;
}

Scheduler::~Scheduler() { g_current = nullptr; }

Report Scheduler::run(void (*body)(void*), void* closure, std::size_t closure_bytes) {
  body_ = body;
  closure_ = closure;
  closure_begin_ = reinterpret_cast<std::uintptr_t>(closure);
  closure_bytes_ = closure_bytes;
  blockDim = block_;
  gridDim = grid_;
  for (Array* array : global_arrays()) array->forget_launch();
  std::vector<unsigned> order(static_cast<std::size_t>(grid_.x) * grid_.y * grid_.z);
  std::iota(order.begin(), order.end(), 0u);
  if (options_.shuffle) std::shuffle(order.begin(), order.end(), random_);
  for (unsigned number : order) run_block(number);
  for (Array* array : global_arrays()) add_traffic(*array, array->traffic());
  report_.blocks = order.size();
  report_.threads = report_.blocks * block_size_;
  return report_;
}

void Scheduler::run_block(unsigned number) {
  block_number_ = number;
  blockIdx = position_of(number, grid_);
  epoch_ = at_barrier_ = predicates_ = 0;
  steps_ = 0;
  for (auto& [key, array] : shared_) array->poison();
  start_threads();
  while (alive_ > 0) {
    if (ready_.empty()) fail_deadlock();
    resume(next_ready());
    if (failed_) throw Failure(failure_);
  }
  finish_block();
}

void Scheduler::start_threads() {
  alive_ = block_size_;
  ready_.clear();
  for (unsigned i = 0; i < block_size_; ++i) {
    Thread& thread = threads_[i];
    thread.number = i;
    thread.fiber = pooled_fiber(i);
    thread.position = position_of(i, block_);
    thread.at = {};
    thread.seen.fill(0);
    thread.inside_emulator = 0;
    thread.copies = {};
    thread.fiber->start(&Scheduler::thread_main, this);
    make_ready(thread);
  }
}

void Scheduler::thread_main(void* scheduler) {
  auto* self = static_cast<Scheduler*>(scheduler);
  self->body_(self->closure_);
  self->exit_running();
}

Thread& Scheduler::next_ready() {
  if (options_.shuffle) std::swap(ready_[random_() % ready_.size()], ready_.front());
  Thread& thread = threads_[ready_.front()];
  ready_.pop_front();
  return thread;
}

void Scheduler::make_ready(Thread& thread) {
  thread.state = Thread::State::kReady;
  ready_.push_back(thread.number);
}

void Scheduler::resume(Thread& thread) {
  running_ = &thread;
  threadIdx = thread.position;
  thread.fiber->resume();
  running_ = nullptr;
}

void Scheduler::suspend() { running_->fiber->suspend(); }

void Scheduler::may_yield() {
  note_step();
  if (!options_.shuffle || random_() % 4 != 0) return;
  make_ready(*running_);
  suspend();
}

void Scheduler::exit_running() {
  const EmulatorScope scope(running_);
  running_->state = Thread::State::kExited;
  --alive_;
  steps_ = 0;
  if (at_barrier_ > 0) {
    const auto waiter = std::find_if(threads_.begin(), threads_.end(), [](const Thread& thread) {
      return thread.state == Thread::State::kAtBarrier;
    });
    fail("Divergent barrier: " + describe(*waiter) + ", but " + name_of(running_id()) +
         " has left the kernel.");
  }
  const unsigned first = running_->warp() * 32;
  for (unsigned number = first; number < std::min(first + 32, block_size_); ++number) {
    const Thread& other = threads_[number];
    if (other.state != Thread::State::kInCollective) continue;
    if ((other.mask >> running_->lane() & 1) == 0) continue;
    fail("Exited lane in a mask: " + describe(other) + " and names lane " +
         std::to_string(running_->lane()) + ", which has left the kernel.");
  }
  suspend();
}

unsigned Scheduler::barrier(const char* name, bool predicate, Line at) {
  running_->at = at;
  running_->waits_in = name;
  if (alive_ < block_size_) {
    fail("Divergent barrier: " + name_of(running_id()) + " reaches " + describe(*running_) +
         ", but " + std::to_string(block_size_ - alive_) + " threads have left the kernel.");
  }
  for (const Thread& other : threads_) {
    if (other.state != Thread::State::kAtBarrier) continue;
    if (other.at.line == at.line && std::string_view(other.at.file) == at.file) break;
    fail("Divergent barrier: " + describe(*running_) + ", but " + describe(other) + ".");
  }
  running_->state = Thread::State::kAtBarrier;
  ++at_barrier_;
  predicates_ += predicate ? 1 : 0;
  if (at_barrier_ == block_size_) release_barrier();
  suspend();
  return released_predicates_;
}

void Scheduler::release_barrier() {
  released_predicates_ = std::exchange(predicates_, 0);
  at_barrier_ = 0;
  steps_ = 0;
  ++epoch_;
  ++report_.barriers;
  for (Thread& thread : threads_) make_ready(thread);
}

void Scheduler::check_mask(const char* name, unsigned mask, Line at) {
  running_->at = at;
  running_->waits_in = name;
  if ((mask >> running_->lane() & 1) == 0) {
    fail("Wrong mask: " + describe(*running_) + " and is not in its own mask " + in_hex(mask) +
         ".");
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const unsigned number = running_->warp() * 32 + lane;
    const bool exists = number < block_size_;
    if (exists && threads_[number].state != Thread::State::kExited) continue;
    fail("Exited lane in a mask: " + describe(*running_) + " and names lane " +
         std::to_string(lane) +
         (exists ? ", which has left the kernel." : ", which the block does not have."));
  }
}

bool Scheduler::lanes_arrived(const Thread& self) const {
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((self.mask >> lane & 1) == 0) continue;
    if (threads_[self.warp() * 32 + lane].state != Thread::State::kInCollective) return false;
  }
  return true;
}

void Scheduler::collective(const char* name, Combine combine, unsigned mask, void* payload, Line at,
                           bool orders_memory) {
  check_mask(name, mask, at);
  Thread& self = *running_;
  self.state = Thread::State::kInCollective;
  self.combine = combine;
  self.mask = mask;
  self.payload = payload;
  void* payloads[32] = {};
  Thread* lanes[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (self.warp() * 32 + lane >= block_size_) break;
    Thread& other = threads_[self.warp() * 32 + lane];
    if (other.state != Thread::State::kInCollective) continue;
    const bool same = other.mask == mask && other.combine == combine;
    if (!same && ((mask >> lane & 1) != 0 || (other.mask >> self.lane() & 1) != 0)) {
      fail("Wrong mask: " + describe(self) + " with mask " + in_hex(mask) + ", but " +
           describe(other) + " with mask " + in_hex(other.mask) + ".");
    }
    if (!same) continue;
    payloads[lane] = other.payload;
    lanes[lane] = &other;
  }
  if (!lanes_arrived(self)) return suspend();
  steps_ = 0;
  if (combine != nullptr) combine(payloads, mask);
  if (orders_memory) {
    std::array<std::uint32_t, 32> joined{};
    for (Thread* lane : lanes) {
      if (lane == nullptr) continue;
      ++lane->seen[lane->lane()];
      for (int i = 0; i < 32; ++i) joined[i] = std::max(joined[i], lane->seen[i]);
    }
    for (Thread* lane : lanes) {
      if (lane != nullptr) lane->seen = joined;
    }
  }
  for (Thread* lane : lanes) {
    if (lane != nullptr) make_ready(*lane);
  }
  suspend();
}

bool Scheduler::is_ordered(std::uint32_t id, std::uint32_t epoch, std::uint32_t clock) const {
  if (id == running_id()) return true;
  if (!in_this_block(id)) return false;
  if (epoch < epoch_) return true;
  const unsigned number = (id - 1) % block_size_;
  return number / 32 == running_->warp() && clock < running_->seen[number % 32];
}

void Scheduler::fail(const std::string& message) {
  if (running_ == nullptr) throw Failure(message);
  // A fiber cannot throw past its own stack: it stops for good and run_block() throws.
  failed_ = true;
  failure_ = message;
  running_->state = Thread::State::kExited;
  while (true) suspend();
}

void Scheduler::fail_deadlock() const {
  std::map<std::string, unsigned> waits;
  for (const Thread& thread : threads_) {
    if (thread.state == Thread::State::kExited) continue;
    const std::string where = describe(thread);
    ++waits[where.substr(where.find(" in "))];
  }
  std::string message = "Deadlock in block " + text(blockIdx) + ":";
  for (const auto& [where, count] : waits) {
    message += " " + std::to_string(count) + " threads wait" + where + ";";
  }
  message.back() = '.';
  throw Failure(message);
}

void Scheduler::fail_livelock() {
  fail("Livelock: " + name_of(running_id()) +
       " goes on and on, and no thread of its block reaches a barrier or an end. A thread may only "
       "wait for what others of its block do by atomics.");
}

std::string Scheduler::name_of(std::uint32_t id) const {
  const unsigned block = (id - 1) / block_size_;
  return "thread " + text(position_of((id - 1) % block_size_, block_)) + " of block " +
         text(position_of(block, grid_));
}

std::string Scheduler::describe(const Thread& thread) const {
  std::string where = name_of(id_of(thread.number)) + " waits in " +
                      (thread.waits_in != nullptr ? thread.waits_in : "nothing");
  if (thread.at.file != nullptr) {
    const std::string file = thread.at.file;
    where += " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(thread.at.line);
  }
  return where;
}

}  // namespace simt
