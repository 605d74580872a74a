#include "engine/io/posix.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/io/error.h"

namespace salus::io {
namespace {

const char* advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "the disk is full or the quota is used up; free space and run again";
    case EFBIG:
      return "the file would exceed the size limit of this process or file system; raise `ulimit "
             "-f` or write to another disk";
    case ENOENT:
      return "check the path";
    case ENOTDIR:
      return "a part of the path is a file, not a folder; check the path";
    case EACCES:
    case EPERM:
      return "ask for permission or choose another path";
    case EROFS:
      return "the file system is read-only; choose another path";
    case EISDIR:
      return "it is a folder; name a file";
    case EMFILE:
    case ENFILE:
      return "too many files are open; raise `ulimit -n`";
    case EIO:
      return "the disk may be failing; check the system log";
    default:
      return "check the path and the disk";
  }
}

}  // namespace

void throw_system_error(const std::string& what, const std::string& path, int error) {
  throw Error(fmt::format("{} {}: {}; {}.", what, path, std::strerror(error), advice(error)));
}

Descriptor::~Descriptor() { close(); }

int Descriptor::close() {
  const int fd = fd_;
  fd_ = -1;
  return fd < 0 ? 0 : ::close(fd);
}

// O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
InputFile::InputFile(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_.get() < 0) throw_system_error("Cannot open", path, errno);
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) throw_system_error("Cannot read", path, errno);
  if (S_ISDIR(info.st_mode)) throw_system_error("Cannot read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) {
    throw Error(
        fmt::format("Cannot read {}: it is not a regular file; copy it to a file first.", path));
  }
  size_ = info.st_size;
}

void InputFile::read_at(std::int64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done,
                              offset + static_cast<std::int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("Cannot read", path_, errno);
    if (n == 0) {
      throw Error(
          fmt::format("{} ends at byte {} where {} more bytes should follow; the file is "
                      "truncated, fetch it again.",
                      path_, offset + static_cast<std::int64_t>(done), out.size() - done));
    }
    done += static_cast<std::size_t>(n);
  }
}

std::vector<std::byte> InputFile::read_up_to(std::int64_t offset, std::int64_t count) const {
  const std::int64_t available = std::max<std::int64_t>(0, size_ - offset);
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(count, available)));
  read_at(offset, bytes);
  return bytes;
}

}  // namespace salus::io
