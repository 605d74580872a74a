#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/io/posix.h"

namespace salus::stream {

/// A source of bytes that grows: standard input or another pipe, which ends, or a file, which does not.
class FollowedInput {
 public:
  enum class State {
    kMore,  ///< bytes were read
    kWait,  ///< none yet
    kEnd    ///< of a pipe: there will be none; or reading is to stop
  };

  /// \param path  "-": standard input. \throws Error if it cannot be opened.
  /// \param stop  descriptor, borrowed, that becomes readable when all reading is to end, also that
  ///              which waits (io::StopSignals::descriptor); -1: none.
  explicit FollowedInput(const std::string& path, int stop = -1);

  /// Whatever there is, at most kMost bytes; waits up to `milliseconds` for some. Files are looked at
  /// every 20 ms.
  /// \throws Error if it cannot be read, or if a file has become shorter than what was read of it.
  State read(std::string_view& bytes, int milliseconds);
  static constexpr std::size_t kMost = 1 << 18;

  bool is_file() const { return is_file_; }
  /// Bytes that a file has now.
  std::int64_t size() const;

 private:
  State wait(int milliseconds);
  State wait_for_growth(int milliseconds);

  std::string path_, buffer_;
  io::Descriptor opened_;
  int fd_, stop_;
  bool is_file_ = false;
  std::int64_t position_ = 0;
};

}  // namespace salus::stream
