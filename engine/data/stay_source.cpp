#include "engine/data/stay_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "engine/data/onset_targets.h"
#include "engine/data/stay_dataset.h"
#include "engine/data/stay_remarks.h"
#include "engine/io/error.h"
#include "engine/io/vitals_wfdb.h"

namespace salus::data {
namespace {

namespace fs = std::filesystem;

/// \param variables  outlive the options.
io::VitalsOptions read_options(const RowRules& rules, const VariableTable& variables, int threads,
                               const Unreadable& unreadable) {
  io::VitalsOptions options;
  options.duplicates = rules.duplicates;
  options.unsorted = rules.unsorted;
  options.future = rules.future;
  options.latest = rules.latest;
  options.variable_of = [&variables](const io::VitalsVariable& variable) {
    return variables.find(variable.name);
  };
  options.threads = threads;
  options.unreadable = unreadable;
  return options;
}

/// Where each of the task's labels stands among the table's labels of stays or of steps.
struct LabelColumns {
  std::vector<std::size_t> of_stay, of_step;  ///< one of them empty, or both: unlabelled
};

/// Positions of `wanted` in `names`; empty if one is not there.
std::vector<std::size_t> positions(const std::vector<std::string>& wanted,
                                   const std::vector<std::string>& names) {
  std::vector<std::size_t> columns;
  for (const auto& name : wanted) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return {};
    columns.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return columns;
}

/// Puts a column of 0 and 1 for each class in the place of the column `name` of class numbers.
/// \returns false if there is no such column.
bool divide_classes(const std::string& name, const Task& task, const std::string& where,
                    std::vector<std::string>& names, std::vector<float>& values) {
  const auto found = positions({name}, names);
  if (found.empty()) return false;
  const std::size_t width = names.size(), classes = task.labels.size();
  std::vector<float> divided;
  for (std::size_t at = found[0]; at < values.size(); at += width) {
    const float number = values[at];
    if (!std::isnan(number) &&
        !(number >= 0 && number < static_cast<float>(classes) && number == std::floor(number))) {
      throw Error(fmt::format(
          "{}: the column \"{}\" holds {}; it must be the number of a class, 0 to {} in the order "
          "of [task] labels.",
          where, name, number, classes - 1));
    }
    for (std::size_t c = 0; c < classes; ++c) {
      divided.push_back(std::isnan(number) ? number : number == static_cast<float>(c));
    }
  }
  names = task.labels;
  values = std::move(divided);
  return true;
}

/// Names of the columns of labels, one for each of the task's.
std::vector<std::string> wanted_columns(const Config& data, const Task& task) {
  if (data.has("label")) return {data.get_string("label")};
  return data.get_strings("labels", task.labels);
}

/// Those of them that hold 0 and 1; none where the labels are made and not read.
std::vector<std::string> yes_no_columns(const Config& data, const Task& task,
                                        const StayTransform& transform) {
  const bool numbers = task.kind == TaskKind::kRegression ||
                       (task.kind == TaskKind::kMulticlass && data.has("label"));
  if (!data.get_bool("check_labels", true)) return {};
  const bool made = data.has("onset") || data.has("next") || !transform.targets().empty();
  return numbers || made ? std::vector<std::string>{} : wanted_columns(data, task);
}

LabelColumns label_columns(const Config& data, const Task& task, io::VitalsTable& table) {
  if (task.kind == TaskKind::kMulticlass && data.has("label")) {
    const std::string name = data.get_string("label"), where = data.where("label");
    if (divide_classes(name, task, where, table.label_names, table.labels)) {
      return {positions(task.labels, table.label_names), {}};
    }
    if (divide_classes(name, task, where, table.step_label_names, table.step_labels)) {
      return {{}, positions(task.labels, table.step_label_names)};
    }
  }
  const std::vector<std::string> wanted = wanted_columns(data, task);
  if (wanted.size() != task.labels.size()) {
    throw UsageError(fmt::format("{} names {} columns, but the task has {} labels.",
                                 data.where("labels"), wanted.size(), task.labels.size()));
  }
  if (table.label_names.empty() && table.step_label_names.empty()) return {};
  LabelColumns columns{positions(wanted, table.label_names), {}};
  if (columns.of_stay.empty()) columns.of_step = positions(wanted, table.step_label_names);
  if (!columns.of_stay.empty() || !columns.of_step.empty()) return columns;
  std::vector<std::string> known = table.label_names;
  known.insert(known.end(), table.step_label_names.begin(), table.step_label_names.end());
  throw UsageError(fmt::format("{}: the data have no {} \"{}\"; they have {}.", data.where("label"),
                               wanted.size() == 1 ? "label" : "labels", fmt::join(wanted, "\", \""),
                               fmt::join(known, ", ")));
}

/// A static column as read, whose values (or side of a limit) divide the cases into groups.
struct Subgroup {
  std::string name;
  std::size_t column = 0;
  bool by_limit = false;
  double limit = 0;

  std::string value(float v) const {
    if (std::isnan(v)) return "";
    if (!by_limit) return fmt::format("{:g}", v);
    return v < limit ? fmt::format("below {:g}", limit) : fmt::format("{:g} and above", limit);
  }
};

std::vector<Subgroup> read_subgroups(const Config& data, const io::VitalsTable& table) {
  std::vector<Subgroup> groups;
  for (const std::string& text : data.get_strings("subgroups", {})) {
    const auto colon = text.rfind(':');
    Subgroup group{text.substr(0, colon), 0, colon != std::string::npos, 0};
    if (group.by_limit) {
      const char* end = text.data() + text.size();
      const auto read = std::from_chars(text.data() + colon + 1, end, group.limit);
      if (read.ec != std::errc() || read.ptr != end) {
        throw UsageError(fmt::format("{}: \"{}\" must end in a number, as \"Age:65\" does.",
                                     data.where("subgroups"), text));
      }
    }
    const auto& names = table.static_names;
    const auto found = std::find(names.begin(), names.end(), group.name);
    if (found == names.end()) {
      throw UsageError(fmt::format("{}: there is no static column \"{}\"; there are {}.",
                                   data.where("subgroups"), group.name, fmt::join(names, ", ")));
    }
    group.column = static_cast<std::size_t>(found - names.begin());
    groups.push_back(group);
  }
  return groups;
}

/// A case of none of the classes is one whose class is not known.
void forget_if_of_none(std::vector<float>& target) {
  if (std::any_of(target.begin(), target.end(), [](float class_of) { return class_of != 0; }))
    return;
  std::fill(target.begin(), target.end(), std::numeric_limits<float>::quiet_NaN());
}

/// \param of_stay  columns of labels of stays, where the labels are not of steps.
std::vector<CaseInfo> read_infos(const Config& data, const Task& task, const io::VitalsTable& table,
                                 const std::vector<std::size_t>& of_stay,
                                 const StepTargets* of_steps) {
  const auto groups = read_subgroups(data, table);
  std::vector<CaseInfo> cases(table.ids.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cases[i].id = table.ids[i];
    cases[i].patient = table.patients[i];
    if (of_steps) cases[i].target = of_steps->largest(static_cast<std::int64_t>(i));
    for (const auto column : of_stay) {
      cases[i].target.push_back(table.labels[i * table.label_names.size() + column]);
    }
    if (task.kind == TaskKind::kMulticlass) forget_if_of_none(cases[i].target);
    for (const auto& group : groups) {
      const float value = table.statics[i * table.static_names.size() + group.column];
      cases[i].subgroups[group.name] = group.value(value);
    }
  }
  return cases;
}

/// What [data] asks of every step, or else the bundle that the transform is of. Of a bundle's onset
/// the data may have another column: that of the label.
TargetSpec chosen_targets(const Config& data, const TargetSpec& of_bundle) {
  TargetSpec targets = read_targets(data);
  const char* labelled = data.has("label") ? "label" : data.has("labels") ? "labels" : nullptr;
  if (!targets.empty() && labelled != nullptr) {
    throw UsageError(fmt::format("{} and {} exclude each other: targets are made or read.",
                                 data.where(labelled),
                                 data.where(targets.onset ? "onset" : "next")));
  }
  if (!targets.empty()) return targets;
  targets = of_bundle;
  if (targets.onset) targets.onset->column = data.get_string("label", targets.onset->column);
  return targets;
}

}  // namespace

io::VitalsTable read_stays(const Config& data, const StayTransform& transform, int threads,
                           const Unreadable& unreadable, const std::vector<std::string>& yes_no) {
  const fs::path root = data.get_string("root", ".");
  const auto under_root = [&](const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const auto& name : names) paths.push_back((root / name).string());
    return paths;
  };
  const auto file = [&](const std::string& key) {
    const std::string name = data.get_string(key, "");
    return name.empty() ? name : (root / name).string();
  };
  auto options = read_options(read_row_rules(data, transform.row_rules()), transform.variables(),
                              threads, unreadable);
  options.yes_no = yes_no;
  const std::string& source = transform.source();
  if (source == "physionet2012") {
    return io::read_physionet2012(under_root(data.get_strings("stays")),
                                  under_root(data.get_strings("outcomes", {})), options);
  }
  if (source == "physionet2019") {
    return io::read_physionet2019(under_root(data.get_strings("stays")), options);
  }
  if (source == "wfdb") {
    return io::read_wfdb_stays(under_root(data.get_strings("stays")),
                               under_root(data.get_strings("outcomes", {})), options,
                               transform.windows());
  }
  data.get_string("events");
  return io::read_long_table({file("events"), file("statics"), file("labels_file")}, options);
}

StaySource::StaySource(const Config& data, const Config& transform, const Task& task, int threads,
                       const Unreadable& unreadable)
    : transform_(std::make_shared<StayTransform>(transform, data.get_string("root", "."))),
      table_(std::make_shared<io::VitalsTable>(read_stays(
          data, *transform_, threads, unreadable, yes_no_columns(data, task, *transform_)))) {
  std::vector<std::size_t> of_stay;
  std::vector<double> onset_hours;
  transform_->set_row_rules(read_row_rules(data, transform_->row_rules()));
  transform_->set_targets(chosen_targets(data, transform_->targets()));
  const TargetSpec& targets = transform_->targets();
  check_task(targets, task, data);
  if (targets.onset) {
    auto onsets = read_onsets(*targets.onset, *table_, data);
    for (const Onset& onset : onsets) {
      onset_hours.push_back(onset.known ? onset.hour : std::numeric_limits<double>::quiet_NaN());
    }
    if (!onsets.empty()) {
      targets_ = onset_targets(table_, transform_, std::move(onsets), *targets.onset);
    }
  } else if (targets.next) {
    targets_ = next_targets(table_, transform_, *targets.next);
  } else {
    LabelColumns columns = label_columns(data, task, *table_);
    of_stay = std::move(columns.of_stay);
    if (!columns.of_step.empty()) {
      targets_ = column_targets(table_, transform_, std::move(columns.of_step));
    }
  }
  cases_ = read_infos(data, task, *table_, of_stay, targets_.get());
  for (std::size_t i = 0; i < onset_hours.size(); ++i) cases_[i].onset = onset_hours[i];
  if (cases_.empty() && table_->counts.unreadable == 0) {
    throw Error("There are no stays in the data.");
  }
  const auto mapped = transform_->variables().map(*table_, transform_->refuses_unknown());
  remarks_ =
      stay_remarks(*table_, mapped, transform_->row_rules(), count_off_grid(*table_, *transform_));
}

void StaySource::fit(const std::vector<std::int64_t>& train) { transform_->fit(*table_, train); }

std::unique_ptr<Dataset> StaySource::open(const std::vector<std::int64_t>& positions) const {
  std::vector<CaseInfo> infos;
  for (const auto position : positions) infos.push_back(cases_.at(position));
  return open_stays(table_, transform_, positions, std::move(infos), targets_);
}

void StaySource::describe(ModelSpec& spec) const {
  spec.modality = Modality::kVitals;
  spec.variables = static_cast<std::int64_t>(transform_->variables().variables().size());
  spec.statics = transform_->static_width();
  spec.clocks = transform_->clocks();
  spec.steps = transform_->steps();
  spec.per_step = targets_ != nullptr;
}

}  // namespace salus::data
