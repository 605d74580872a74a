#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/simt/async_copy.h"
#include "tests/support/simt/fiber.h"
#include "tests/support/simt/memory.h"
#include "tests/support/simt/requests.h"
#include "tests/support/simt/vector_types.h"

namespace simt {

/// A fault of the kernel under test; the message names threads, arrays and source lines.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  std::uint64_t seed = 1;  ///< of the order of blocks and threads
  bool shuffle = true;     ///< false: in ascending order, which hides most faults of ordering
  /// Bytes that the device gives a block at most: of H100, H200 and B200; an A100 has 163 KB.
  std::size_t most_shared_bytes = 232448;
  /// Whether more than kUnaskedSharedBytes is asked for as kernels/launch_cuda.h does; false: it is
  /// not, as by a launch that goes another way.
  bool ask_for_shared_memory = true;
  bool count_transactions = false;  ///< fill Traffic::transactions; several times slower
  /// Steps (accesses, changes of thread) of a block without a barrier, a collective or an exit,
  /// after which its threads count as waiting for ever.
  std::uint64_t patience = 50'000'000;
};

/// What a launch did.
struct Report {
  std::uint64_t blocks = 0;
  std::uint64_t threads = 0;
  std::uint64_t barriers = 0;                 ///< passed, summed over blocks
  std::map<std::string, Traffic> traffic;     ///< by array; shared arrays are summed over blocks
  std::map<std::string, std::size_t> shared;  ///< bytes per block of each shared array
};

/// Where in the source a thread stands.
struct Line {
  const char* file = nullptr;
  int line = 0;
};

/// Combines what the lanes of `mask` brought; lanes[i] is the payload of lane i.
using Combine = void (*)(void* const lanes[32], unsigned mask);

/// One emulated CUDA thread.
struct Thread {
  enum class State { kReady, kAtBarrier, kInCollective, kExited };

  Fiber* fiber = nullptr;
  unsigned number = 0;   ///< in its block
  std::uint32_t id = 0;  ///< of this run of it; later runs have larger ones, in every launch
  uint3 position{};
  State state = State::kReady;
  const char* waits_in = nullptr;  ///< name of the barrier or collective
  Line at;                         ///< the last barrier or collective it reached
  Combine combine = nullptr;
  unsigned mask = 0;
  void* payload = nullptr;
  std::array<std::uint32_t, 32> seen{};  ///< vector clock over the lanes of its warp
  int inside_emulator = 0;               ///< above 0, accesses are the emulator's own
  AsyncCopies copies;                    ///< cp.async under way

  unsigned lane() const { return number % 32; }
  unsigned warp() const { return number / 32; }
};

/// What the lanes of one warp wait for. Nearly always they all come to the same collective: then
/// its first lane's mask and function stand for all of them.
struct Warp {
  unsigned gone = 0;     ///< lanes that have left the kernel, or that the block does not have
  unsigned waiting = 0;  ///< lanes in a collective
  unsigned mask = 0;
  Combine combine = nullptr;
  bool uniform = true;  ///< whether all that wait came with `mask` and `combine`
};

/// Marks that the running thread is in the emulator's code. That code shares inline functions of
/// the standard library with files built with access hooks, and must not be checked as if it were a
/// body.
class EmulatorScope {
 public:
  explicit EmulatorScope(Thread* thread) : thread_(thread) {
    if (thread_ != nullptr) ++thread_->inside_emulator;
  }
  ~EmulatorScope() {
    if (thread_ != nullptr) --thread_->inside_emulator;
  }
  EmulatorScope(const EmulatorScope&) = delete;

 private:
  Thread* thread_;
};

/// One launch: runs the blocks one after another, in random order, and inside a block resumes a
/// random thread among those that can run.
class Scheduler {
 public:
  Scheduler(dim3 grid, dim3 block, std::size_t shared_bytes, const Options& options);
  ~Scheduler();

  /// \throws Failure at the first fault.
  Report run(void (*body)(void*), void* closure, std::size_t closure_bytes);

  // What emulated threads call.
  unsigned barrier(const char* name, bool predicate, Line at);
  void collective(const char* name, Combine combine, unsigned mask, void* payload, Line at,
                  bool orders_memory);
  void* shared_array(const void* key, const char* name, std::size_t element_bytes,
                     std::size_t bytes);
  void* dynamic_shared(const char* name, std::size_t element_bytes);
  void may_yield();
  [[noreturn]] void fail(const std::string& message);

  // What the memory checks ask.
  Thread* running() const { return running_; }
  std::uint32_t epoch() const { return epoch_; }
  std::uint32_t running_id() const { return running_->id; }
  /// Ids below this are of earlier launches, or of earlier blocks.
  std::uint32_t first_id_of_launch() const { return launch_id_; }
  std::uint32_t first_id_of_block() const { return block_id_; }
  bool in_this_block(std::uint32_t id) const { return id - block_id_ < block_size_; }
  /// True if what thread `id` did at (epoch, clock) is ordered before what the running one does
  /// now.
  bool is_ordered(std::uint32_t id, std::uint32_t epoch, std::uint32_t clock) const {
    if (id == running_->id) return true;
    if (!in_this_block(id)) return false;
    if (epoch < epoch_) return true;
    const unsigned number = id - block_id_;
    return number / 32 == running_->warp() && clock < running_->seen[number % 32];
  }
  Array* shared_containing(std::uintptr_t address) const;
  Array* shared_near(std::uintptr_t address) const;
  bool in_closure(std::uintptr_t address) const {
    return address - closure_begin_ < closure_bytes_;
  }
  std::string name_of(std::uint32_t id) const;
  void note_step() {
    if (++steps_ > options_.patience) fail_livelock();
  }
  void note_request(Array& array, std::uintptr_t address, std::size_t bytes, const void* place) {
    if (options_.count_transactions) requests_.note(running_->number, place, array, address, bytes);
  }

  static Scheduler* current() { return current_; }

 private:
  static void thread_main(void* scheduler);
  void number_threads();
  void run_block(unsigned run);
  void start_threads();
  void resume(Thread& thread);
  Thread& next_ready();
  void make_ready(Thread& thread);
  void suspend();
  void exit_running();
  void release_barrier();
  void check_mask(const char* name, unsigned mask, Line at);
  void check_partners(const Thread& self) const;
  void release_collective(Warp& warp, const Thread& self, bool orders_memory);
  [[noreturn]] void fail_deadlock() const;
  [[noreturn]] void fail_livelock();
  void check_shared_bytes();
  void finish_block();
  void add_traffic(const Array& array, const Traffic& traffic);
  std::string describe(const Thread& thread) const;

  dim3 grid_, block_;
  std::size_t dynamic_bytes_;
  Options options_;
  std::mt19937_64 random_;
  unsigned block_size_ = 0;
  std::vector<unsigned> order_;  // of the blocks
  std::uint32_t launch_id_ = 1;
  std::uint32_t block_id_ = 1;
  void (*body_)(void*) = nullptr;
  void* closure_ = nullptr;
  std::uintptr_t closure_begin_ = 0;
  std::size_t closure_bytes_ = 0;

  static Scheduler* current_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::deque<unsigned> ready_;
  Thread* running_ = nullptr;
  unsigned alive_ = 0;
  unsigned at_barrier_ = 0;
  Line barrier_;  // the one that the first of them stands at
  unsigned predicates_ = 0;
  unsigned released_predicates_ = 0;
  std::uint32_t epoch_ = 0;
  std::uint64_t steps_ = 0;  ///< since something moved on
  std::map<const void*, std::unique_ptr<Array>> shared_;
  WarpRequests requests_;
  bool failed_ = false;
  std::string failure_;
  Report report_;
};

}  // namespace simt
