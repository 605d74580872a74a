#include "engine/io/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "engine/io/error.h"
#include "engine/io/posix.h"

namespace salus::io {
namespace {

namespace fs = std::filesystem;

void write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("Cannot write", path, errno);
    done += static_cast<std::size_t>(n);
  }
}

// Hidden, in the same folder (rename is atomic only inside one file system), and unlike that of any
// other writer of this path.
std::string temporary_name(const fs::path& target) {
  static std::atomic<std::uint64_t> counter{0};
  const std::string name =
      fmt::format(".{}.{}-{}.partial", target.filename().string(), ::getpid(), counter++);
  return (target.parent_path() / name).string();
}

void sync_tree(const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory()) sync_folder(entry.path().string());
    if (!entry.is_regular_file()) continue;
    Descriptor fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) {
      throw_system_error("Cannot write", entry.path().string(), errno);
    }
  }
  sync_folder(folder);
}

void write_durably(const std::string& temporary, mode_t mode, std::span<const std::byte> bytes,
                   const std::string& named) {
  Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0) throw_system_error("Cannot create", named, errno);
  write_all(fd.get(), bytes, named);
  if (mode != 0 && ::fchmod(fd.get(), mode) != 0) throw_system_error("Cannot write", named, errno);
  if (::fsync(fd.get()) != 0) throw_system_error("Cannot write", named, errno);
  if (fd.close() != 0) throw_system_error("Cannot write", named, errno);
}

void write_directly(const std::string& path, std::span<const std::byte> bytes) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) throw_system_error("Cannot write", path, errno);
  write_all(fd.get(), bytes, path);
  if (fd.close() != 0) throw_system_error("Cannot write", path, errno);
}

// Swaps two folders in one step, so that no moment without a folder exists; false where the file
// system cannot.
bool exchange_folders(const std::string& a, const std::string& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

void replace_in_two_steps(const std::string& fresh, const std::string& target) {
  const std::string old = temporary_name(target);
  if (::rename(target.c_str(), old.c_str()) != 0) {
    throw_system_error("Cannot replace folder", target, errno);
  }
  if (::rename(fresh.c_str(), target.c_str()) != 0) {
    const int error = errno;
    ::rename(old.c_str(), target.c_str());
    throw_system_error("Cannot make folder", target, error);
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

std::vector<std::byte> read_stream(const std::string& path, std::int64_t max_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) throw_system_error("Cannot open", path, errno);
  std::vector<std::byte> bytes;
  std::vector<std::byte> chunk(1 << 16);
  while (true) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("Cannot read", path, errno);
    if (n == 0) return bytes;
    if (static_cast<std::int64_t>(bytes.size()) + n > max_bytes) {
      throw Error(fmt::format("{} has more than the {} bytes allowed here.", path, max_bytes));
    }
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + n);
  }
}

/// What is written when `path` is: a link is followed.
struct Target {
  fs::path path;
  mode_t mode = 0;  ///< 0: there is nothing yet

  bool replaceable() const { return mode == 0 || S_ISREG(mode); }  ///< else written in place
};

/// \throws Error for a folder.
Target target_of(const std::string& path) {
  std::error_code ignored;
  Target target{fs::is_symlink(path, ignored) ? fs::weakly_canonical(path) : fs::path(path)};
  struct stat info{};
  if (::stat(target.path.c_str(), &info) == 0) target.mode = info.st_mode;
  if (S_ISDIR(target.mode)) throw_system_error("Cannot write", path, EISDIR);
  return target;
}

}  // namespace

void sync_folder(const std::string& folder) {
  const std::string path = folder.empty() ? "." : folder;
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) throw_system_error("Cannot open folder", path, errno);
  // Some network file systems cannot sync a folder and say EINVAL; the rename is done all the same.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) {
    throw_system_error("Cannot write folder", path, errno);
  }
}

std::vector<std::byte> read_file(const std::string& path, std::int64_t max_bytes) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) throw_system_error("Cannot open", path, errno);
  // Pipes have no size, and files of /proc say 0.
  const bool sized = S_ISDIR(info.st_mode) || (S_ISREG(info.st_mode) && info.st_size > 0);
  if (!sized) return read_stream(path, max_bytes);
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw Error(fmt::format("{} has {} bytes, more than the {} allowed here.", path, file.size(),
                            max_bytes));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.size()));
  file.read_at(0, bytes);
  return bytes;
}

std::string read_text(const std::string& path, std::int64_t max_bytes) {
  const auto bytes = read_file(path, max_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  const Target target = target_of(path);
  if (!target.replaceable()) return write_directly(path, bytes);
  const std::string temporary = temporary_name(target.path);
  try {
    write_durably(temporary, target.mode & 07777, bytes, path);
    if (::rename(temporary.c_str(), target.path.c_str()) != 0) {
      throw_system_error("Cannot write", path, errno);
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(target.path.parent_path().string());
}

void write_text(const std::string& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

void require_writable(const std::string& path) {
  const Target target = target_of(path);
  if (target.replaceable()) {
    const AtomicFile probe(target.path.string());
  } else if (::access(target.path.c_str(), W_OK) != 0) {
    throw_system_error("Cannot write", path, errno);
  }
}

AtomicFile::AtomicFile(std::string final_path)
    : final_(std::move(final_path)), temporary_(temporary_name(final_)) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) throw_system_error("Cannot create", final_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write_at(std::int64_t offset, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done,
                               offset + static_cast<std::int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("Cannot write", final_, errno);
    done += static_cast<std::size_t>(n);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) throw_system_error("Cannot write", final_, errno);
  if (::close(std::exchange(fd_, -1)) != 0) throw_system_error("Cannot write", final_, errno);
  if (::rename(temporary_.c_str(), final_.c_str()) != 0) {
    throw_system_error("Cannot write", final_, errno);
  }
  temporary_.clear();
  sync_folder(fs::path(final_).parent_path().string());
}

AtomicFolder::AtomicFolder(std::string final_path) : final_(std::move(final_path)) {
  while (final_.size() > 1 && final_.back() == '/') final_.pop_back();
  std::error_code error;
  if (fs::exists(final_, error) && !fs::is_directory(final_, error)) {
    throw_system_error("Cannot make folder", final_, EEXIST);
  }
  const fs::path parent = fs::path(final_).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) throw_system_error("Cannot make folder", parent.string(), error.value());
  temporary_ = temporary_name(final_);
  if (::mkdir(temporary_.c_str(), 0777) != 0)
    throw_system_error("Cannot make folder", final_, errno);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;  // a destructor must not throw; at worst the hidden folder stays behind
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_tree(temporary_);
  if (!fs::exists(final_)) {
    if (::rename(temporary_.c_str(), final_.c_str()) != 0) {
      throw_system_error("Cannot make folder", final_, errno);
    }
  } else if (!exchange_folders(temporary_, final_)) {
    replace_in_two_steps(temporary_, final_);
  }
  committed_ = true;
  sync_folder(fs::path(final_).parent_path().string());
  std::error_code ignored;  // after an exchange the old folder bears the temporary name
  fs::remove_all(temporary_, ignored);
}

}  // namespace salus::io
