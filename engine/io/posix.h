#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace salus::io {

/// The sentence for a failed system call: what was tried, on which path, the system's reason and
/// what to do about it. `error` is an errno value.
[[noreturn]] void throw_system_error(const std::string& what, const std::string& path, int error);

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// Closes now and returns what close() returned: on network file systems a full disk shows here.
  int close();

 private:
  int fd_;
};

/// A regular file opened for reading at any offset; size() is what the system says, so claims
/// inside the file can be held against it before anything is allocated.
class InputFile {
 public:
  /// \throws salus::Error if the file cannot be opened or is a folder.
  explicit InputFile(const std::string& path);
  std::int64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  /// Fills `out` from `offset`. \throws salus::Error if the file has fewer bytes.
  void read_at(std::int64_t offset, std::span<std::byte> out) const;
  /// At most `count` bytes from `offset`; fewer at the end of the file.
  std::vector<std::byte> read_up_to(std::int64_t offset, std::int64_t count) const;

 private:
  std::string path_;
  Descriptor fd_;
  std::int64_t size_ = 0;
};

}  // namespace salus::io
