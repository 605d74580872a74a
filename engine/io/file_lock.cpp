#include "engine/io/file_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>

#include <cerrno>

#include "engine/io/error.h"

namespace salus::io {

FileLock::FileLock(const std::string& path, const std::string& what)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (fd_.get() < 0) throw_system_error("Cannot write", what, errno);
  while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) throw_system_error("Cannot lock", what, errno);
    throw Error(fmt::format(
        "{} is being written by another process; run again when that one is done.", what));
  }
}

}  // namespace salus::io
