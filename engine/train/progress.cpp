#include "engine/train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace salus::train {
namespace {

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string render_duration(double seconds) {
  const auto total = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  const auto hours = total / 3600, minutes = total / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
  return fmt::format("{}:{:02}", minutes, total % 60);
}

std::string render_progress(const std::string& label, std::int64_t done, std::int64_t total,
                            double seconds, int width) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const std::string left =
      rate > 0 ? render_duration(static_cast<double>(total - done) / rate) : "?";
  const std::string tail = fmt::format("] {}/{}  {:.0f}/s  {} left", done, total, rate, left);
  const int room = width - 1 - static_cast<int>(label.size() + tail.size()) - 2;
  std::string line = label + " [";
  if (room > 0) {
    const int filled = total > 0 ? static_cast<int>(room * done / total) : 0;
    line += std::string(filled, '=') + std::string(room - filled, ' ');
  }
  line += tail;
  return line.substr(0, std::max(0, width - 1));
}

ProgressBar::ProgressBar(bool force) : enabled_(force || isatty(STDERR_FILENO)) {}

void ProgressBar::start(const std::string& label, std::int64_t total) {
  label_ = label;
  total_ = total;
  started_ = Clock::now();
  last_ = {};
}

void ProgressBar::update(std::int64_t done) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(100) && done < total_) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const auto line = render_progress(label_, done, total_, seconds, terminal_width());
  std::fputs(("\r" + line + "\x1b[K").c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::finish() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace salus::train
