#include "engine/io/dicom_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/io/error.h"

namespace salus::io::dicom {
namespace {

/// Enough for the header of nearly every CT or X-ray file in one system call.
constexpr std::size_t kWindow = 16384;

std::string system_reason(int error) { return std::generic_category().message(error); }

}  // namespace

ByteSource::ByteSource(const std::string& path, std::int64_t max_bytes) : name_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file_ < 0) throw Error(fmt::format("Cannot open '{}': {}.", path, system_reason(errno)));
  struct stat status{};
  std::string reason;
  if (::fstat(file_, &status) != 0) {
    reason = system_reason(errno);
  } else if (!S_ISREG(status.st_mode)) {
    reason = "it is not a regular file";
  } else if (status.st_size > max_bytes) {
    reason = fmt::format("it has {} bytes, more than the limit of {}", status.st_size, max_bytes);
  }
  if (!reason.empty()) {
    ::close(file_);
    throw Error(fmt::format("Cannot read '{}': {}.", path, reason));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ByteSource::ByteSource(std::vector<std::byte> bytes, std::string name)
    : name_(std::move(name)),
      memory_(std::move(bytes)),
      data_(memory_.data()),
      filled_(memory_.size()),
      size_(memory_.size()) {}

ByteSource::~ByteSource() {
  if (file_ >= 0) ::close(file_);
}

const std::byte* ByteSource::refill(std::uint64_t offset, std::size_t count) {
  const std::size_t wanted =
      std::min<std::uint64_t>(std::max(count, kWindow), size_ - std::min(offset, size_));
  if (offset + count > size_) fail("it ends unexpectedly.");
  if (capacity_ < wanted) {
    window_ = std::make_unique_for_overwrite<std::byte[]>(wanted);
    capacity_ = wanted;
  }
  filled_ = 0;
  read(offset, window_.get(), wanted);
  data_ = window_.get();
  start_ = offset;
  filled_ = wanted;
  return data_;
}

void ByteSource::read(std::uint64_t offset, std::byte* out, std::size_t count) {
  if (file_ < 0) {
    if (offset + count > size_) fail("it ends unexpectedly.");
    std::memcpy(out, memory_.data() + offset, count);
    return;
  }
  while (count > 0) {
    const ssize_t got = ::pread(file_, out, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(fmt::format("{}.", system_reason(errno)));
    if (got == 0) fail("it became shorter while it was read.");
    out += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

void ByteSource::fail(const std::string& sentence) const {
  throw Error(fmt::format("Cannot read DICOM file '{}': {}", name_, sentence));
}

}  // namespace salus::io::dicom
