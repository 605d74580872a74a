#pragma once

// The emulator: runs the text of a kernel body on the CPU and reports what a GPU would let pass.
//
// Threads are fibers that run one at a time; blocks run in random order, and at every barrier, warp
// collective and atomic a random thread goes on. Errors (simt::Failure) are: barriers in divergent
// flow, deadlock, wrong masks and exited lanes named in one, more shared memory than the device has
// or the launch has asked for, reads of uninitialised memory, accesses outside of the registered
// arrays, misaligned vector accesses, and data races inside a block (no barrier or __syncwarp
// between) or between blocks. The last three are found by the access hooks (access_hooks.cpp)
// whatever the order that was drawn, and bytes are counted by them; under AddressSanitizer, which
// excludes the hooks, an overrun stops the program.
//
// A file that tests a body is called *_simt_test.cpp: tests/CMakeLists.txt builds those with the
// hooks and lets kernels/device.h find CUDA's built-ins. kernels/device.h has the worked example.
// Not emulated: waiting for another block, and memory order between blocks by fences.

#include <tuple>
#include <utility>

#include "kernels/device.h"
#include "tests/support/simt/memory.h"
#include "tests/support/simt/scheduler.h"

namespace simt {

/// Runs `kernel` over the shape's grid; arrays come from Buffer::data().
///
/// \param options  order of blocks and threads; print the seed in the test's failure message.
/// \returns what was moved, per array, and barriers passed.
/// \throws Failure at the first fault.
template <typename... Parameters, typename... Arguments>
Report launch(const salus::kernels::LaunchShape& shape, const Options& options,
              void (*kernel)(Parameters...), Arguments&&... arguments) {
  struct Closure {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> parameters;
  };
  Closure closure{kernel, {Parameters(std::forward<Arguments>(arguments))...}};
  Options asked = options;
  asked.ask_for_shared_memory &= salus::kernels::asks_for_shared_memory(shape);
  Scheduler scheduler({shape.grid.x, shape.grid.y, shape.grid.z},
                      {shape.block.x, shape.block.y, shape.block.z}, shape.shared_bytes, asked);
  const auto body = [](void* raw) {
    auto* called = static_cast<Closure*>(raw);
    std::apply(called->kernel, called->parameters);
  };
  return scheduler.run(body, &closure, sizeof closure);
}

}  // namespace simt
