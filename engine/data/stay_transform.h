#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/config.h"
#include "engine/core/registry.h"
#include "engine/data/row_rules.h"
#include "engine/data/target_spec.h"
#include "engine/data/variables.h"
#include "engine/io/vitals.h"
#include "engine/io/wfdb_windows.h"
#include "kernels/vitals_grid.h"

namespace salus::data {

/// How the events of a stay become a model's input: the [transform] table of vital signs. The same
/// code runs in training, evaluation, prediction and streaming.
///
///   [transform]
///   modality = "vitals"
///   variables = "variables.toml"   # see VariableTable; a bundle holds the table itself
///   source = "long"                # physionet2012, physionet2019, long, wfdb: the files it was made
///                                  # for
///   unknown = "drop"               # events of names that the variables table does not have: drop, or
///                                  # refuse (default of wfdb, whose headers name few and all)
///   step = 1.0                     # hours per bin, or "10 s", "5 min", "20 ms", "360 Hz". From one
///                                  # second on a time belongs to the bin of its nearest second,
///                                  # below to that of its nearest 1024th of a step
///   steps = 48                     # bins; what comes later is left out
///   [transform.windows]            # of wfdb: each window of a record is a stay; see read_windows()
///   [transform.rows]               # of a bundle: see RowRules
///   [transform.targets]            # of a bundle: what it says of every step; see TargetSpec
///   [transform.statistics]         # learnt from the training part
///   mean, stddev                   # per variable, after its transform
///   static_mean, static_stddev     # per static column
///   static_flags                   # static columns that may be missing: 1 where one is
class StayTransform {
 public:
  /// \param folder  that `variables` is relative to, where it is a path.
  /// \throws UsageError for a bad or unknown key, and as VariableTable.
  explicit StayTransform(const Config& table, const std::string& folder = ".");

  /// Learns the statistics from the stays at `train` of a table that variables().map() has
  /// rewritten. A variable or column without any value gets mean 0 and standard deviation 1.
  void fit(const io::VitalsTable& table, const std::vector<std::int64_t>& train);

  /// Bins of a stay: up to its last event or, where the source gives steps, the last of these.
  std::int64_t length(const io::VitalsTable& table, std::int64_t stay) const;
  /// The bin of a time, as VitalsGridPlan::bin: -1 before the stay.
  std::int64_t bin(double hours) const;

  /// Inputs of the stays at `stays`: values, mask, delta float32 [N, T, D], length int64 [N],
  /// static float32 [N, S] (z-scored columns, 0 where missing, then the flags), and their ids.
  /// \throws Error if the statistics were never learnt.
  Batch inputs(const io::VitalsTable& table, const std::vector<std::int64_t>& stays) const;

  /// Their "static" alone.
  at::Tensor statics(const io::VitalsTable& table, const std::vector<std::int64_t>& stays) const;

  /// Names of the columns of "static": VariableTable::static_columns(), then "Age missing", ... of
  /// the flags. \throws Error if the statistics were never learnt.
  std::vector<std::string> static_names() const;

  /// Where the values of variable `d` come from: for each bin the one whose measurement stands there,
  /// which is an earlier one where it was carried forward; -1 where the variable's fill stands.
  /// \param mask  float32 [T, D] of one stay, as inputs() gives it.
  std::vector<std::int64_t> measured_at(const at::Tensor& mask, std::int64_t d) const;

  /// The grid that inputs() makes, on the clock of clock_rate(). \throws Error if the statistics were
  /// never learnt.
  const kernels::VitalsGridSpec& grid() const;
  /// How fast the clock of grid() runs, which knows whole seconds only: 1 but for steps of less.
  double clock_rate() const { return clock_rate_; }
  const VariableTable& variables() const { return variables_; }
  const std::string& source() const { return source_; }
  const std::optional<io::WfdbWindows>& windows() const { return windows_; }
  bool refuses_unknown() const { return refuses_unknown_; }  ///< variables
  std::int64_t steps() const { return steps_; }
  double step() const { return step_; }  ///< hours
  /// What a model of every step is asked; part of the transform because a bundle must know it.
  const TargetSpec& targets() const { return targets_; }
  void set_targets(TargetSpec targets) { targets_ = std::move(targets); }
  const RowRules& row_rules() const { return row_rules_; }
  void set_row_rules(const RowRules& rules) { row_rules_ = rules; }
  /// From the z-scores of the targets `next` to values, one each; none for other targets.
  std::vector<ValueScale> value_scales() const;
  std::int64_t static_width() const;
  /// Of the statics with `clock`.
  std::vector<StaticClock> clocks() const;
  /// The table with the variables and everything learnt in it.
  std::string toml() const;

 private:
  void read_statistics(const Config& table);
  void read_step(const Config& table);
  void make_plan();
  const kernels::VitalsGridPlan& plan() const;
  kernels::VitalsEvents events(const io::VitalsTable& table,
                               const std::vector<std::int64_t>& stays) const;

  VariableTable variables_;
  std::string source_;
  bool refuses_unknown_ = false;
  std::optional<io::WfdbWindows> windows_;
  double step_ = 1;  ///< hours
  double clock_rate_ = 1;
  std::int64_t steps_ = 48;
  TargetSpec targets_;
  RowRules row_rules_;
  std::vector<double> mean_, stddev_, static_mean_, static_stddev_;
  std::vector<std::int64_t> flags_;
  std::shared_ptr<const kernels::VitalsGridPlan> plan_;  ///< null until the statistics are known
};

/// Whole seconds of so many hours, the nearest ones, as on the grid.
double seconds_of(double hours);

/// The hour of a stay's last event or, where the source gives steps, the last of these; negative
/// infinity if there is none.
double last_hour(const io::VitalsTable& table, std::int64_t stay);

}  // namespace salus::data
