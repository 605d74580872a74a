#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace salus::train {

/// "epoch 3/20 [=====>    ] 1200/4708  812 img/s  0:04 left", at most `width` characters.
std::string render_progress(const std::string& label, std::int64_t done, std::int64_t total,
                            double seconds, int width);

/// "0:04", "12:30", "1:02:03".
std::string render_duration(double seconds);

/// A line on stderr that is redrawn up to ten times a second; nothing at all unless stderr is a
/// terminal (or `force`).
class ProgressBar {
 public:
  explicit ProgressBar(bool force = false);
  ~ProgressBar() { finish(); }
  void start(const std::string& label, std::int64_t total);
  void update(std::int64_t done);
  /// Removes the line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  bool drawn_ = false;
  std::string label_;
  std::int64_t total_ = 0;
  Clock::time_point started_, last_;
};

}  // namespace salus::train
