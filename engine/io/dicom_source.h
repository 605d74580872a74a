#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace salus::io::dicom {

/// Random access to the bytes of one file, or of memory (an inflated data set), through a small
/// window, so that a header is read without its pixels and pixels are read without a copy.
///
/// Files are read, not mapped: a file that shrinks on a network share while it is read must give an
/// error, not a SIGBUS. Not thread-safe; one per reader.
class ByteSource {
 public:
  /// Opens a regular file. \throws salus::Error if it cannot be opened, is not a regular file or is
  ///         larger than `max_bytes`.
  ByteSource(const std::string& path, std::int64_t max_bytes);
  /// Bytes in memory; `name` is what errors call them.
  ByteSource(std::vector<std::byte> bytes, std::string name);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  std::uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  /// `count` bytes at `offset`, valid until the next call. Both must lie within size().
  const std::byte* view(std::uint64_t offset, std::size_t count) {
    if (offset >= start_ && offset + count <= start_ + filled_) return data_ + (offset - start_);
    return refill(offset, count);
  }

  /// Copies `count` bytes at `offset` to `out`, not touching the window.
  void read(std::uint64_t offset, std::byte* out, std::size_t count);

  /// Throws salus::Error "Cannot read DICOM file 'name': `sentence`".
  [[noreturn]] void fail(const std::string& sentence) const;

 private:
  const std::byte* refill(std::uint64_t offset, std::size_t count);

  std::string name_;
  std::vector<std::byte> memory_;
  std::unique_ptr<std::byte[]> window_;
  std::size_t capacity_ = 0;
  const std::byte* data_ = nullptr;
  std::uint64_t start_ = 0, filled_ = 0, size_ = 0;
  int file_ = -1;
};

}  // namespace salus::io::dicom
