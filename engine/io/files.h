#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace salus::io {

/// Reads a whole file. `max_bytes` is checked before anything is allocated.
/// \throws salus::Error naming the path and the system's reason.
std::vector<std::byte> read_file(const std::string& path,
                                 std::int64_t max_bytes = std::int64_t{8} << 30);
std::string read_text(const std::string& path, std::int64_t max_bytes = std::int64_t{64} << 20);

/// Writes a whole file atomically: temporary name in the same folder, fsync, rename, fsync of the
/// folder. After a failure (disk full, killed) the old file is as it was. A symbolic link is
/// followed; the mode of an existing file is kept. What is not a regular file (/dev/stdout, a pipe)
/// is written to directly. \throws salus::Error.
void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_text(const std::string& path, std::string_view text);

/// For before long work whose result goes to `path`: what write_file() needs is there. Leaves nothing
/// behind. \throws salus::Error as write_file().
void require_writable(const std::string& path);

/// A file that is written piece by piece and appears whole or not at all: as write_file(), for what
/// is too large to hold. Without commit() the destructor removes what was written.
class AtomicFile {
 public:
  /// \throws salus::Error if it cannot be made.
  explicit AtomicFile(std::string final_path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Where the bytes are until commit(), for reading them back.
  const std::string& temporary_path() const { return temporary_; }
  /// Bytes never written are zero. \throws salus::Error, naming the final path.
  void write_at(std::int64_t offset, std::span<const std::byte> bytes);
  void commit();

 private:
  std::string final_, temporary_;
  int fd_;
};

/// Makes the names in `folder` durable, after files of it were renamed or removed.
/// \throws salus::Error.
void sync_folder(const std::string& folder);

/// A folder that appears whole or not at all: files are written into path(), commit() makes them
/// durable and renames the folder to its final name (replacing a folder there in one step); without
/// commit() the destructor removes it. Missing parent folders are made.
class AtomicFolder {
 public:
  /// \throws salus::Error if the folder cannot be made or `final_path` is not a folder.
  explicit AtomicFolder(std::string final_path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  const std::string& path() const { return temporary_; }
  /// \throws salus::Error; the folder that was there is then still there, whole.
  void commit();

 private:
  std::string final_, temporary_;
  bool committed_ = false;
};

/// Lower-case hex SHA-256 (FIPS 180-4).
std::string sha256(std::span<const std::byte> bytes);
std::string sha256_file(const std::string& path);

/// Processors this process may use (affinity and cgroup quota), at least 1.
int available_threads();

}  // namespace salus::io
