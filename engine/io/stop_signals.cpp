#include "engine/io/stop_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace salus::io {
namespace {

volatile std::sig_atomic_t g_received = 0;
std::atomic<int> g_wake = -1;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait for a lock");
struct sigaction g_old_term, g_old_int;

void note(int signal) {
  const int error = errno;  // of the call that was interrupted
  g_received = signal;
  const char byte = 0;
  [[maybe_unused]] const auto written = ::write(g_wake, &byte, 1);
  errno = error;
}

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw_system_error("Cannot make", "a pipe", errno);
  }
  return ends;
}

}  // namespace

StopSignals::StopSignals() : StopSignals(make_pipe()) {}

StopSignals::StopSignals(const std::array<int, 2>& pipe) : readable_(pipe[0]), writable_(pipe[1]) {
  g_received = 0;
  g_wake = writable_.get();
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGTERM, &action, &g_old_term);
  ::sigaction(SIGINT, &action, &g_old_int);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGTERM, &g_old_term, nullptr);
  ::sigaction(SIGINT, &g_old_int, nullptr);
  g_wake = -1;
}

int StopSignals::received() const { return g_received; }

}  // namespace salus::io
