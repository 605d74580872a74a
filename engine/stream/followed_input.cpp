#include "engine/stream/followed_input.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/io/error.h"

namespace salus::stream {
namespace {

constexpr int kLookMilliseconds = 20;

}  // namespace

FollowedInput::FollowedInput(const std::string& path, int stop)
    : path_(path == "-" ? "standard input" : path),
      opened_(path == "-" ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      fd_(path == "-" ? STDIN_FILENO : opened_.get()),
      stop_(stop) {
  if (fd_ < 0) io::throw_system_error("Cannot open", path, errno);
  struct stat info{};
  if (::fstat(fd_, &info) != 0) io::throw_system_error("Cannot read", path_, errno);
  if (S_ISDIR(info.st_mode)) io::throw_system_error("Cannot read", path_, EISDIR);
  // Standard input from a file is read to its end; one that is to be followed is named.
  is_file_ = S_ISREG(info.st_mode) && path != "-";
  buffer_.resize(kMost);
}

FollowedInput::State FollowedInput::wait(int milliseconds) {
  std::array<pollfd, 2> on = {pollfd{stop_, POLLIN, 0}, pollfd{fd_, POLLIN, 0}};
  // A file is always ready, even at its end.
  const int ready = ::poll(on.data(), is_file_ ? 1 : 2, milliseconds);
  if (ready < 0 && errno != EINTR) io::throw_system_error("Cannot wait for", path_, errno);
  if (ready > 0 && on[0].revents != 0) return State::kEnd;
  return ready > 0 ? State::kMore : State::kWait;
}

FollowedInput::State FollowedInput::read(std::string_view& bytes, int milliseconds) {
  bytes = {};
  State state = wait(is_file_ ? 0 : milliseconds);
  while (state == State::kMore || (is_file_ && state == State::kWait)) {
    const ssize_t count = ::read(fd_, buffer_.data(), buffer_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) io::throw_system_error("Cannot read", path_, errno);
    position_ += count;
    bytes = std::string_view(buffer_).substr(0, static_cast<std::size_t>(count));
    if (count > 0) return State::kMore;
    if (!is_file_) return State::kEnd;
    state = wait_for_growth(milliseconds);
    if (state != State::kMore) return state;
  }
  return state;
}

FollowedInput::State FollowedInput::wait_for_growth(int milliseconds) {
  for (int left = milliseconds;; left -= kLookMilliseconds) {
    const std::int64_t bytes = size();
    if (bytes > position_) return State::kMore;
    if (bytes < position_) {
      throw Error(
          fmt::format("{} has become shorter than the {} bytes that were read of it; only a "
                      "file that grows can be followed.",
                      path_, position_));
    }
    if (left <= 0) return State::kWait;
    if (wait(std::min(left, kLookMilliseconds)) == State::kEnd) return State::kEnd;
  }
}

std::int64_t FollowedInput::size() const {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) io::throw_system_error("Cannot read", path_, errno);
  return info.st_size;
}

}  // namespace salus::stream
