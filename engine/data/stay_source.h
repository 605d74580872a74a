#pragma once

#include <memory>
#include <vector>

#include "engine/data/source.h"
#include "engine/data/stay_transform.h"
#include "engine/data/step_targets.h"

namespace salus::data {

/// Stays of vital signs; [transform] source says of which files.
///
///   [data]
///   root = "DIR"                     # paths below are relative to it
///   stays = ["set-a.tar.gz"]         # physionet: files of one stay each, folders and archives of
///                                    # them; wfdb: records and folders of them
///   outcomes = ["Outcomes-a.txt"]    # physionet2012; wfdb: record, patient_id, then labels
///   events = "events.csv"            # long: stay_id, time, variable, value (CSV or Parquet)
///   statics = "statics.csv"          # long: stay_id, patient_id, ...
///   labels_file = "labels.csv"       # long: stay_id, ...
///   label = "In-hospital_death"      # column, or labels = ["a", "b"]; default: the task's labels.
///                                    # Of yes and no: 0, 1, true, false or empty; else an error.
///                                    # Of classes one column of their numbers, or one of 0 and 1 each.
///                                    # Columns of labels of steps ("SepsisLabel") make a model that
///                                    # scores every step; of the labels in one bin the last counts
///   check_labels = true              # false: whatever they are, as where stays are only to be scored
///   onset = "onset_hour"             # or next = ["HR"]: labels of steps that are made of the data;
///                                    # see TargetSpec for these keys
///   subgroups = ["ICUType", "Age:65"]  # static columns as read; "Age:65" makes two, below and from
///                                    # 65 on
///   duplicates = "accept"            # and unsorted, future, latest: see RowRules
class StaySource : public Source {
 public:
  /// \throws UsageError for a bad key or a label that the data do not have; Error for the files.
  /// \param unreadable  see io::VitalsOptions; with it there may be no stay left.
  StaySource(const Config& data, const Config& transform, const Task& task, int threads,
             const Unreadable& unreadable = {});

  const std::vector<CaseInfo>& cases() const override { return cases_; }
  void fit(const std::vector<std::int64_t>& train) override;
  std::unique_ptr<Dataset> open(const std::vector<std::int64_t>& positions) const override;
  std::string transform_toml() const override { return transform_->toml(); }
  void describe(ModelSpec& spec) const override;
  std::string remarks() const override { return remarks_; }

  const io::VitalsTable& table() const { return *table_; }

 private:
  std::shared_ptr<StayTransform> transform_;
  std::shared_ptr<io::VitalsTable> table_;
  std::vector<CaseInfo> cases_;
  std::string remarks_;
  std::shared_ptr<const StepTargets> targets_;  ///< null: labels of the stay, or none
};

/// Reads what a [data] table of vital signs names, in the files that the transform was made for.
/// \param yes_no  columns of labels, see io::VitalsOptions.
io::VitalsTable read_stays(const Config& data, const StayTransform& transform, int threads,
                           const Unreadable& unreadable = {},
                           const std::vector<std::string>& yes_no = {});

}  // namespace salus::data
