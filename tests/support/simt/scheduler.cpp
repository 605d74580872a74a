#include "tests/support/simt/scheduler.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <numeric>

uint3 threadIdx{};
uint3 blockIdx{};
dim3 blockDim{};
dim3 gridDim{};

namespace simt {
namespace {

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

Scheduler* Scheduler::current_ = nullptr;

Scheduler::Scheduler(dim3 grid, dim3 block, std::size_t shared_bytes, const Options& options)
    : grid_(grid),
      block_(block),
      dynamic_bytes_(shared_bytes),
      options_(options),
      random_(options.seed),
      block_size_(block.x * block.y * block.z) {
  if (current_ != nullptr) throw Failure("A launch inside of a launch is not emulated.");
  if (block_size_ == 0 || block_size_ > 1024 || block.z > 64) {
    throw Failure("A block has 1 to 1024 threads (z at most 64), this one " +
                  std::to_string(block_size_) + ".");
  }
  if (grid.y > 65535 || grid.z > 65535) throw Failure("A grid's y and z are at most 65535.");
  threads_.resize(block_size_);
  warps_.resize((block_size_ + 31) / 32);
  number_threads();
  current_ = this;
}

Scheduler::~Scheduler() { current_ = nullptr; }

void Scheduler::number_threads() {
  static std::uint32_t next = 1;
  const std::uint64_t count = std::uint64_t{grid_.x} * grid_.y * grid_.z * block_size_;
  if (next + count > 0xffffffff) {
    throw Failure("One process emulates at most 2^32 threads, in all its launches together.");
  }
  launch_id_ = next;
  next += static_cast<std::uint32_t>(count);
}

Report Scheduler::run(void (*body)(void*), void* closure, std::size_t closure_bytes) {
  body_ = body;
  closure_ = closure;
  closure_begin_ = reinterpret_cast<std::uintptr_t>(closure);
  closure_bytes_ = closure_bytes;
  blockDim = block_;
  gridDim = grid_;
  for (Array* array : global_arrays()) array->forget_launch();
  check_shared_bytes();
  order_.resize(static_cast<std::size_t>(grid_.x) * grid_.y * grid_.z);
  std::iota(order_.begin(), order_.end(), 0u);
  if (options_.shuffle) std::shuffle(order_.begin(), order_.end(), random_);
  for (unsigned run = 0; run < order_.size(); ++run) run_block(run);
  for (Array* array : global_arrays()) add_traffic(*array, array->traffic());
  report_.blocks = order_.size();
  report_.threads = report_.blocks * block_size_;
  return report_;
}

void Scheduler::run_block(unsigned run) {
  block_id_ = launch_id_ + run * block_size_;
  blockIdx = position_of(order_[run], grid_);
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
  warps_.assign(warps_.size(), {});
  if (block_size_ % 32 != 0) warps_.back().gone = 0xffffffffu << block_size_ % 32;
  for (unsigned i = 0; i < block_size_; ++i) {
    Thread& thread = threads_[i];
    thread.number = i;
    thread.id = block_id_ + i;
    thread.fiber = pooled_fiber(i);
    thread.position = position_of(i, block_);
    thread.at = {};
    thread.seen.fill(0);
    thread.inside_emulator = 0;
    thread.copies.drop();
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
  if (options_.shuffle) {
    std::swap(ready_[(random_() >> 32) * ready_.size() >> 32], ready_.front());
  }
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
  Warp& warp = warps_[running_->warp()];
  warp.gone |= 1u << running_->lane();
  const unsigned first = running_->warp() * 32;
  const unsigned end = warp.waiting == 0 ? first : std::min(first + 32, block_size_);
  for (unsigned number = first; number < end; ++number) {
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
  if (at_barrier_ == 0) barrier_ = at;
  if (barrier_.line != at.line || std::string_view(barrier_.file) != at.file) {
    const auto other = std::find_if(threads_.begin(), threads_.end(), [](const Thread& thread) {
      return thread.state == Thread::State::kAtBarrier;
    });
    fail("Divergent barrier: " + describe(*running_) + ", but " + describe(*other) + ".");
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
  const unsigned gone = mask & warps_[running_->warp()].gone;
  if (gone == 0) return;
  const auto lane = static_cast<unsigned>(std::countr_zero(gone));
  fail("Exited lane in a mask: " + describe(*running_) + " and names lane " + std::to_string(lane) +
       (running_->warp() * 32 + lane < block_size_ ? ", which has left the kernel."
                                                   : ", which the block does not have."));
}

/// Of the lanes that wait, none may have another idea of who takes part in what.
void Scheduler::check_partners(const Thread& self) const {
  for (unsigned rest = warps_[self.warp()].waiting; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    const Thread& other = threads_[self.warp() * 32 + lane];
    if (other.mask == self.mask && other.combine == self.combine) continue;
    if ((self.mask >> lane & 1) == 0 && (other.mask >> self.lane() & 1) == 0) continue;
    Scheduler::current()->fail("Wrong mask: " + describe(self) + " with mask " + in_hex(self.mask) +
                               ", but " + describe(other) + " with mask " + in_hex(other.mask) +
                               ".");
  }
}

void Scheduler::collective(const char* name, Combine combine, unsigned mask, void* payload, Line at,
                           bool orders_memory) {
  check_mask(name, mask, at);
  Thread& self = *running_;
  self.state = Thread::State::kInCollective;
  self.combine = combine;
  self.mask = mask;
  self.payload = payload;
  Warp& warp = warps_[self.warp()];
  if (warp.waiting == 0) {
    warp.mask = mask;
    warp.combine = combine;
    warp.uniform = true;
  }
  if (warp.mask != mask || warp.combine != combine) warp.uniform = false;
  if (!warp.uniform) check_partners(self);
  warp.waiting |= 1u << self.lane();
  if ((warp.waiting & mask) == mask) release_collective(warp, self, orders_memory);
  suspend();
}

void Scheduler::release_collective(Warp& warp, const Thread& self, bool orders_memory) {
  steps_ = 0;
  void* payloads[32] = {};
  Thread* const lanes = &threads_[self.warp() * 32];
  const auto for_each_lane = [&](auto&& visit) {
    for (unsigned rest = self.mask; rest != 0; rest &= rest - 1) visit(std::countr_zero(rest));
  };
  for_each_lane([&](int lane) { payloads[lane] = lanes[lane].payload; });
  if (self.combine != nullptr) self.combine(payloads, self.mask);
  if (orders_memory) {
    std::array<std::uint32_t, 32> joined{};
    for_each_lane([&](int lane) {
      ++lanes[lane].seen[lane];
      for (int i = 0; i < 32; ++i) joined[i] = std::max(joined[i], lanes[lane].seen[i]);
    });
    for_each_lane([&](int lane) { lanes[lane].seen = joined; });
  }
  warp.waiting &= ~self.mask;
  for_each_lane([&](int lane) { make_ready(lanes[lane]); });
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
  const unsigned run = (id - launch_id_) / block_size_;
  return "thread " + text(position_of((id - launch_id_) % block_size_, block_)) + " of block " +
         text(position_of(order_[run], grid_));
}

std::string Scheduler::describe(const Thread& thread) const {
  std::string where = name_of(thread.id) + " waits in " +
                      (thread.waits_in != nullptr ? thread.waits_in : "nothing");
  if (thread.at.file != nullptr) {
    const std::string file = thread.at.file;
    where += " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(thread.at.line);
  }
  return where;
}

}  // namespace simt
