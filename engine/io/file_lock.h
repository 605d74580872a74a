#pragma once

#include <string>

#include "engine/io/posix.h"

namespace salus::io {

/// The right to write something, held by one process (and one object of it) at a time: flock() on a
/// file of its own, which is made where it is missing and stays. The system lets go of it when the
/// process ends, however it ends.
class FileLock {
 public:
  /// Does not wait.
  /// \param path  the lock's file.
  /// \param what  what it guards, for the message.
  /// \throws salus::Error if another holds it, or the file cannot be made.
  FileLock(const std::string& path, const std::string& what);

 private:
  Descriptor fd_;
};

}  // namespace salus::io
