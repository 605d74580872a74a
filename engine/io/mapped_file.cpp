#include "engine/io/mapped_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "engine/io/error.h"
#include "engine/io/posix.h"

namespace salus::io {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) throw_system_error("Cannot open", path, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) throw_system_error("Cannot read", path, errno);
  if (S_ISDIR(info.st_mode)) throw_system_error("Cannot read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) {
    throw Error(
        fmt::format("Cannot read {}: it is not a regular file; copy it to a file first.", path));
  }
  if (info.st_size == 0) return;
  const auto size = static_cast<std::size_t>(info.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) throw_system_error("Cannot map", path, errno);
  bytes_ = {static_cast<const std::byte*>(memory), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace salus::io
