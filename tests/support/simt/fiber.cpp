#include "tests/support/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

// Sanitizers must be told of each change of stack; without one these are nothing.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace simt {
namespace {

Fiber* g_entering = nullptr;

}  // namespace

#if defined(__x86_64__)
// swapcontext makes a system call at each switch; this is 20 times faster. The registers that the
// System V ABI lets a callee keep are saved on the stack that is left.
extern "C" void salus_simt_switch(void** save_stack, void* next_stack);
asm(R"(
.text
.globl salus_simt_switch
.type salus_simt_switch, @function
salus_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size salus_simt_switch, .-salus_simt_switch
)");

struct Fiber::Switch {
  void* inside = nullptr;
  void* outside = nullptr;

  void start(std::uintptr_t begin, std::size_t bytes, void (*function)()) {
    // As after a call: the return address lies at 16 n + 8, above it six registers.
    auto* top = reinterpret_cast<void**>(begin + bytes - 16);
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(function);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    inside = top;
  }
  void in() { salus_simt_switch(&outside, inside); }
  void out() { salus_simt_switch(&inside, outside); }
#else
struct Fiber::Switch {
  ucontext_t inside{};
  ucontext_t outside{};

  void start(std::uintptr_t begin, std::size_t bytes, void (*function)()) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = reinterpret_cast<void*>(begin);
    inside.uc_stack.ss_size = bytes;
    inside.uc_link = nullptr;
    makecontext(&inside, function, 0);
  }
  void in() { swapcontext(&outside, &inside); }
  void out() { swapcontext(&inside, &outside); }
#endif

#if defined(__SANITIZE_ADDRESS__)
  void* fake_inside = nullptr;
  void* fake_outside = nullptr;
  const void* outside_bottom = nullptr;
  std::size_t outside_bytes = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* tsan_inside = __tsan_create_fiber(0);
  void* tsan_outside = nullptr;
  ~Switch() { __tsan_destroy_fiber(tsan_inside); }
#endif
};

Fiber::Fiber() : switch_(std::make_unique<Switch>()) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  stack_begin_ = reinterpret_cast<std::uintptr_t>(memory) + page;
}

Fiber::~Fiber() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  munmap(reinterpret_cast<void*>(stack_begin_ - page), kStackBytes + page);
}

void Fiber::start(void (*entry)(void*), void* argument) {
#if defined(__SANITIZE_ADDRESS__)
  // A dropped run leaves the red zones of its frames behind.
  __asan_unpoison_memory_region(reinterpret_cast<void*>(stack_begin_), kStackBytes);
#endif
  entry_ = entry;
  argument_ = argument;
  switch_->start(stack_begin_, kStackBytes, &Fiber::enter);
}

void Fiber::enter() {
  Fiber* self = g_entering;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self->switch_->outside_bottom,
                                  &self->switch_->outside_bytes);
#endif
  self->entry_(self->argument_);
  std::abort();  // an entry that returned has nowhere to go
}

void Fiber::resume() {
  g_entering = this;
#if defined(__SANITIZE_ADDRESS__)
  __lsan_disable();  // a run that is dropped never frees what its frames hold
  __sanitizer_start_switch_fiber(&switch_->fake_outside, reinterpret_cast<void*>(stack_begin_),
                                 kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
  switch_->tsan_outside = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(switch_->tsan_inside, 0);
#endif
  switch_->in();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(switch_->fake_outside, nullptr, nullptr);
  __lsan_enable();
#endif
}

void Fiber::suspend() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&switch_->fake_inside, switch_->outside_bottom,
                                 switch_->outside_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(switch_->tsan_outside, 0);
#endif
  switch_->out();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(switch_->fake_inside, &switch_->outside_bottom,
                                  &switch_->outside_bytes);
#endif
}

}  // namespace simt
