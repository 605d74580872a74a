#pragma once

// Internal to vitals*.cpp: what the readers share. A reader turns one file into StayRows on some
// thread; merge_stays() makes the table from them, the same for any number of threads.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/io/text_numbers.h"
#include "engine/io/vitals.h"

namespace salus::io {

inline constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

/// Throws Error "ORIGIN line 12 column Value (3): WHAT".
[[noreturn]] void fail_at(const std::string& origin, std::int64_t line, std::string_view column,
                          int number, const std::string& what);

/// Throws Error that a policy refuses the row at `where` ("FILE line 12"): what is wrong with it, and
/// the option that says so.
[[noreturn]] void refuse_row(const std::string& where, const char* what, const char* option);

/// Lines of a text with their numbers, LF or CRLF.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return true;
  }
  std::int64_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

/// Numbers names in the order of their first appearance.
class NameTable {
 public:
  std::int32_t number(const VitalsVariable& variable);
  std::int32_t number(std::string_view name);  ///< without a unit
  const std::vector<VitalsVariable>& names() const { return names_; }
  /// What VitalsOptions::variable_of says of a name, asked once; without it the number itself.
  std::int32_t variable_of(std::int32_t number, const VitalsOptions& options);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> numbers_;
  std::vector<VitalsVariable> names_;
  std::vector<std::int32_t> variables_;  ///< what variable_of() has been told, of the first names
};

/// One row: a measurement.
struct VitalsRow {
  double time;
  std::int32_t variable;  ///< in the NameTable of the thread
  float value;
  std::int64_t line;
};

/// One stay as read.
struct StayRows {
  std::string id, patient;
  std::vector<VitalsRow> rows;
  std::vector<float> statics;
  std::vector<double> step_time;
  std::vector<float> step_labels;
  const NameTable* names = nullptr;
};

/// Applies the policies to the rows of a stay, sorts them by time (stably) and counts.
/// \param names  of the rows' variables.
/// \throws salus::Error for rows that are to be refused.
void settle_rows(std::vector<VitalsRow>& rows, const VitalsOptions& options,
                 const std::string& origin, VitalsCounts& counts, NameTable& names);

/// Puts variables into alphabetical order, each once.
void order_variables(std::vector<VitalsVariable>& variables);
/// For each name its place among `variables`, which are in order and have it.
std::vector<std::int32_t> places_of(const NameTable& names,
                                    const std::vector<VitalsVariable>& variables);

/// Appends the stays, in their order. Their ids are unique.
void merge_stays(const std::vector<StayRows>& stays, VitalsTable& table);

void add_counts(VitalsCounts& sum, const VitalsCounts& more);

/// What a thread has of its own.
struct VitalsWorker {
  NameTable names;
  VitalsCounts counts;
};

/// The file of one stay.
struct TextMember {
  std::string origin;  ///< as errors name it
  std::string name;    ///< without folders and suffix
  std::string text;
};

/// Reads every file with `suffix` of the sources (folders, archives, or such files themselves) on
/// `threads` threads and merges the stays that `parse` makes of them into `table`, in the order of
/// sources and names.
/// \throws salus::Error the first one in that order, or that two stays have one id, unless `options`
///         leave unreadable files out; also if a folder or archive has no such file, or cannot be read
///         itself.
void read_members(const std::vector<std::string>& sources, const std::string& suffix,
                  const VitalsOptions& options,
                  const std::function<StayRows(const TextMember&, VitalsWorker&)>& parse,
                  VitalsTable& table);

}  // namespace salus::io
