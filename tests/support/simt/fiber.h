#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace simt {

/// A stack of its own and the point where it goes on. Made for many short runs: the stack is mapped
/// once (with a guard page below) and used again by start().
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Makes the next resume() call `entry(argument)` on an empty stack. What ran before is dropped
  /// without unwinding. `entry` must never return: it ends by suspend().
  void start(void (*entry)(void*), void* argument);

  /// Runs the fiber until it calls suspend(). Only from outside of any fiber.
  void resume();

  /// Back to the caller of resume(), from inside of this fiber.
  void suspend();

  bool owns(std::uintptr_t address) const { return address - stack_begin_ < kStackBytes; }

 private:
  struct Switch;
  static constexpr std::size_t kStackBytes = 256 * 1024;

  [[noreturn]] static void enter();

  std::uintptr_t stack_begin_ = 0;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::unique_ptr<Switch> switch_;
};

}  // namespace simt
