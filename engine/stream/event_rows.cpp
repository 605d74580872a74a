#include "engine/stream/event_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "engine/io/error.h"
#include "engine/io/text_numbers.h"

namespace salus::stream {
namespace {

constexpr std::size_t kMostLine = 1 << 16;

}  // namespace

const std::vector<PoolEvent>& EventRows::read(std::string_view text, const Malformed& malformed) {
  events_.clear();
  text_.erase(0, done_);
  text_ += text;
  done_ = 0;
  unquoted_.clear();
  // Views into unquoted_ must stay valid: it never grows beyond all of the text.
  unquoted_.reserve(text_.size());
  for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', done_)) {
    read_line(std::string_view(text_).substr(done_, end - done_), malformed);
    done_ = end + 1;
  }
  if (text_.size() - done_ > kMostLine) {
    throw Error(fmt::format("{} line {} has more than {} bytes; it is no table of events.", origin_,
                            line_ + 1, kMostLine));
  }
  return events_;
}

const std::vector<PoolEvent>& EventRows::finish(const Malformed& malformed) {
  events_.clear();
  const std::string_view rest = std::string_view(text_).substr(done_);
  unquoted_.clear();
  unquoted_.reserve(rest.size());
  if (!rest.empty()) read_line(rest, malformed);
  done_ = text_.size();
  return events_;
}

void EventRows::read_line(std::string_view line, const Malformed& malformed) {
  position_ += static_cast<std::int64_t>(line.size()) + 1;
  ++line_;
  if (line_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  if (!columns_.empty() && position_ <= skip_) return;
  const bool whole = split(line);
  if (columns_.empty()) return read_header(cells_);
  PoolEvent event;
  std::string problem;
  if (!whole) {
    problem = "a quotation mark is not closed";
  } else if (cells_.size() != columns_.size()) {
    problem = fmt::format("{} cells instead of {}", cells_.size(), columns_.size());
  } else {
    problem = read_event(event);
  }
  event.line = line_;
  if (problem.empty()) return events_.push_back(event);
  malformed(line_, fmt::format("{} line {}: {}; the row is left out.", origin_, line_, problem));
}

void EventRows::read_header(const std::vector<std::string_view>& cells) {
  columns_.assign(cells.begin(), cells.end());
  const auto column = [&](const char* name) {
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    return found == columns_.end() ? -1 : static_cast<int>(found - columns_.begin());
  };
  id_ = column("stay_id"), time_ = column("time"), variable_ = column("variable");
  value_ = column("value"), unit_ = column("unit");
  if (id_ >= 0 && time_ >= 0 && variable_ >= 0 && value_ >= 0) return;
  throw Error(
      fmt::format("{} line {} is not the header of a table of events: it must name stay_id, time, "
                  "variable and value, and may name unit.",
                  origin_, line_));
}

std::string_view EventRows::cell(int column) const {
  return column < 0 ? std::string_view() : cells_[static_cast<std::size_t>(column)];
}

/// \returns what is wrong; "" if nothing is.
std::string EventRows::read_event(PoolEvent& event) const {
  event.stay = cell(id_);
  if (event.stay.empty()) return "it names no stay";
  if (event.stay.size() > StreamPool::kMostIdBytes) {
    return fmt::format("stay_id has more than {} bytes", StreamPool::kMostIdBytes);
  }
  event.event.variable = cell(variable_);
  event.event.unit = cell(unit_);
  const bool measured = !io::is_missing(cell(value_));
  if (measured && event.event.variable.empty()) return "there is a value without a variable";
  const auto value =
      measured ? io::parse_finite<float>(cell(value_)) : std::numeric_limits<float>::quiet_NaN();
  if (!value) return fmt::format("value \"{}\" is not a number", cell(value_));
  event.event.value = *value;
  const bool timeless = event.event.variable.empty() && cell(time_).empty();
  const auto time =
      timeless ? std::numeric_limits<double>::quiet_NaN() : io::parse_finite<double>(cell(time_));
  if (!time) return fmt::format("time \"{}\" is not a number of hours", cell(time_));
  event.event.time = *time;
  return {};
}

/// Into cells_; false if a quoted cell does not end.
bool EventRows::split(std::string_view line) {
  cells_.clear();
  while (true) {
    if (!line.starts_with('"')) {
      const std::size_t end = line.find(',');
      cells_.push_back(line.substr(0, end));
      if (end == std::string_view::npos) return true;
      line.remove_prefix(end + 1);
      continue;
    }
    const std::size_t begin = unquoted_.size();
    std::size_t at = 1;
    for (; at < line.size() && !(line[at] == '"' && !line.substr(at + 1).starts_with('"')); ++at) {
      unquoted_ += line[at];
      at += line[at] == '"';
    }
    cells_.push_back(std::string_view(unquoted_).substr(begin));
    if (at >= line.size()) return false;
    line.remove_prefix(at + 1);
    if (line.empty()) return true;
    if (line[0] != ',') return false;
    line.remove_prefix(1);
  }
}

}  // namespace salus::stream
