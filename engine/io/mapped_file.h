#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace salus::io {

/// A regular file mapped for reading: its pages are read when they are touched and belong to the
/// page cache, so that a large file costs no memory of the process's own. A file that is unlinked
/// or replaced by rename stays as it was for those who have it mapped; one that is truncated in
/// place does not (SIGBUS), so map only files that are never written again.
class MappedFile {
 public:
  /// \throws salus::Error if the file cannot be opened or mapped. An empty file has no bytes.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace salus::io
