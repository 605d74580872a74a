#pragma once

namespace salus::train {

/// While it lives, the first SIGTERM or SIGINT only sets a flag, so that a run can save and end; a
/// second one of the same kind does what it did before. One object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0.
  int received() const;
};

}  // namespace salus::train
