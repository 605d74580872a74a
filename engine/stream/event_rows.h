#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/stream/stream_pool.h"

namespace salus::stream {

/// Rows of events as text comes in, in pieces of any size: CSV with a header of stay_id, time, variable,
/// value and optionally unit, in any order, other columns ignored; cells may be quoted (RFC 4180), but
/// hold no line ends.
///
/// An empty value or NaN is missing, as in io::read_long_table. A row with neither variable nor value
/// says that a stay is there and, if it has a time, how late it is.
class EventRows {
 public:
  /// A sentence about a row that is left out, and its line number.
  using Malformed = std::function<void(std::int64_t line, const std::string& what)>;

  /// \param origin  as errors name the source.
  explicit EventRows(std::string origin) : origin_(std::move(origin)) {}

  /// \returns the rows of all lines that are complete with this text; they are valid until the next
  ///          call.
  /// \throws Error if the header lacks a column.
  const std::vector<PoolEvent>& read(std::string_view text, const Malformed& malformed);
  /// The last line, where the source ended without a line end.
  const std::vector<PoolEvent>& finish(const Malformed& malformed);

  /// Bytes of all lines read so far: where to go on in the source.
  std::int64_t position() const { return position_; }
  /// Rows up to this position are taken already: they are left out.
  void skip_to(std::int64_t position) { skip_ = position; }

 private:
  void read_line(std::string_view line, const Malformed& malformed);
  void read_header(const std::vector<std::string_view>& cells);
  std::string read_event(PoolEvent& event) const;
  bool split(std::string_view line);
  std::string_view cell(int column) const;

  std::string origin_;
  std::string text_, unquoted_;
  std::vector<std::string_view> cells_;
  std::vector<std::string> columns_;
  std::vector<PoolEvent> events_;
  int id_ = -1, time_ = -1, variable_ = -1, value_ = -1, unit_ = -1;
  std::size_t done_ = 0;  ///< of text_
  std::int64_t position_ = 0, line_ = 0, skip_ = 0;
};

}  // namespace salus::stream
