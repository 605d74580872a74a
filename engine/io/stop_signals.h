#pragma once

#include <array>

#include "engine/io/posix.h"

namespace salus::io {

/// While it lives, the first SIGTERM or SIGINT is only noted, so that what runs can save and end; a
/// second one of the same kind ends the process. One object at a time.
class StopSignals {
 public:
  /// \throws Error if the system gives no pipe.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0.
  int received() const;
  /// Readable from the first signal on, so that it wakes a poll().
  int descriptor() const { return readable_.get(); }

 private:
  explicit StopSignals(const std::array<int, 2>& pipe);

  Descriptor readable_, writable_;
};

}  // namespace salus::io
