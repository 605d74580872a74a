#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace salus::io {

/// What a column of events measures, as the source writes it. Two units of one name are two.
struct VitalsVariable {
  std::string name;
  std::string unit;  ///< "" where the source states none
  bool operator==(const VitalsVariable&) const = default;
};

/// What was met while reading; nothing is left out without being counted here.
struct VitalsCounts {
  std::int64_t rows = 0;        ///< measurements that the source gives, missing ones not included
  std::int64_t missing = 0;     ///< empty, NaN, or -1 where the source says that this is missing
  std::int64_t nameless = 0;    ///< rows without a variable's name, left out
  std::int64_t duplicates = 0;  ///< rows with time and variable of a row before them, see
      ///< VitalsOptions::variable_of; this and the next two also count rows
      ///< that have labels of a step alone
  std::int64_t unsorted = 0;     ///< rows earlier than the row before them
  std::int64_t future = 0;       ///< rows later than VitalsOptions::latest
  std::int64_t empty_stays = 0;  ///< stays without a single event, which are kept
  std::int64_t unlabelled = 0;   ///< stays that the label file does not name
  std::int64_t strangers = 0;    ///< rows of label and static files about stays that have no events
                                 ///< file, left out
  std::int64_t unreadable = 0;   ///< files left out, see VitalsOptions::unreadable
  bool operator==(const VitalsCounts&) const = default;
};

/// Stays of irregular measurements. Plain arrays; N stays, E events, S statics, L labels.
struct VitalsTable {
  std::vector<std::string> ids;           ///< [N], unique
  std::vector<std::string> patients;      ///< [N]; the id where the source does not name patients
  std::vector<VitalsVariable> variables;  ///< in alphabetical order

  std::vector<std::int64_t> offsets = {0};  ///< [N + 1]: stay n has events offsets[n] ... [n + 1]
  std::vector<double> time;                 ///< [E] hours since the stay began, ascending in a stay
  std::vector<std::int32_t> variable;       ///< [E] index into `variables`
  std::vector<float> value;                 ///< [E] finite, in the unit of the source

  std::vector<std::string> static_names;  ///< [S]
  std::vector<float> statics;             ///< [N, S]; NaN is missing

  std::vector<std::string> label_names;  ///< [L]
  std::vector<float> labels;             ///< [N, L], one per stay; NaN is missing
  std::vector<bool> labelled;  ///< [N] whether the label file names the stay; [0] if L = 0

  std::vector<std::string> step_label_names;     ///< [K], labels of steps of the stay
  std::vector<std::int64_t> step_offsets = {0};  ///< [N + 1], or only 0 if K = 0
  std::vector<double> step_time;                 ///< hours; ascending in a stay
  std::vector<float> step_labels;                ///< [steps, K]; NaN is missing

  VitalsCounts counts;

  std::int64_t stays() const { return static_cast<std::int64_t>(ids.size()); }
};

/// What is done with rows that are not as they should be; they are counted in any case. Labels of
/// steps go with their rows, but a step has each label once: the last that is stated.
enum class RowPolicy {
  kAccept,  ///< duplicates stay, in their order; unsorted rows are sorted; future rows stay
  kDrop,    ///< of duplicates the last one stays; unsorted and future rows are left out
  kRefuse   ///< an error that names file and line
};

struct VitalsOptions {
  RowPolicy duplicates = RowPolicy::kAccept;
  RowPolicy unsorted = RowPolicy::kAccept;
  RowPolicy future = RowPolicy::kDrop;
  double latest = std::numeric_limits<double>::infinity();  ///< hours; later rows are future rows
  /// The number of what a variable of the source measures, so that rows of two names of one thing may
  /// be duplicates; -1: it is not wanted, and its rows are no duplicates. Called by several threads.
  /// Without it each name and unit is a variable of its own.
  std::function<std::int32_t(const VitalsVariable& variable)> variable_of;
  /// Columns of labels, of stays or of steps, that answer yes or no: whatever there is neither 0, 1 nor
  /// missing is an error.
  std::vector<std::string> yes_no = {};
  int threads = 0;  ///< 0: as many as the process may use. The result is the same for any number
  /// Of sources with a file for each stay: told why one that cannot be read is left out, in the order
  /// of the sources, before the reader returns. Without it such a file is an error.
  std::function<void(const std::string& reason)> unreadable;
};

// All readers: \throws salus::Error naming file (of an archive: archive and member), line and
// column. Stays are in the order of the sources, inside one by the name of their file.

/// PhysioNet/CinC Challenge 2012: one `.txt` per stay, "Time,Parameter,Value" with HH:MM times.
///
/// Statics are Age, Gender, Height, ICUType and the Weight of the first minute, -1 being missing;
/// every other row, later weights included, is an event.
/// \param sources   each a folder, a .tar.gz (or .tar), or the file of one stay.
/// \param outcomes  Outcomes files, "RecordID,..."; their columns are the labels, -1 being missing.
///                  May be empty: no labels.
VitalsTable read_physionet2012(const std::vector<std::string>& sources,
                               const std::vector<std::string>& outcomes,
                               const VitalsOptions& options = {});

/// PhysioNet/CinC Challenge 2019: one `.psv` per stay, a row per hour, "NaN" being missing.
///
/// Time is ICULOS less that of the first row, which is the earliest where unsorted rows are sorted;
/// statics are Age, Gender, Unit1, Unit2, HospAdmTime and that first ICULOS; SepsisLabel, where there,
/// is a step label. \param sources as above.
VitalsTable read_physionet2019(const std::vector<std::string>& sources,
                               const VitalsOptions& options = {});

/// The files of a general long table, each CSV or Parquet (io/table.h).
struct LongTableFiles {
  std::string events;   ///< stay_id, time (hours), variable, value and optionally unit
  std::string statics;  ///< stay_id, optionally patient_id, then numbers; "" for none
  std::string labels;   ///< stay_id, optionally time (then step labels), then numbers; "" for none
};

/// Any columns' order. Empty cells and NaN are missing. A stay is one that `events` or `statics`
/// names: a row of `statics` alone is an empty stay; a row of `events` with no variable and no
/// value is one too.
VitalsTable read_long_table(const LongTableFiles& files, const VitalsOptions& options = {});

}  // namespace salus::io
