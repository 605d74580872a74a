#include "engine/data/stay_source.h"

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isnan.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "engine/io/error.h"

namespace salus::data {
namespace {

namespace fs = std::filesystem;

io::RowPolicy policy(const Config& data, const std::string& key, const std::string& fallback) {
  const std::string chosen = data.get_choice(key, {"accept", "drop", "refuse"}, fallback);
  return chosen == "accept" ? io::RowPolicy::kAccept
         : chosen == "drop" ? io::RowPolicy::kDrop
                            : io::RowPolicy::kRefuse;
}

io::VitalsOptions read_options(const Config& data, int threads, const Unreadable& unreadable) {
  io::VitalsOptions options;
  options.duplicates = policy(data, "duplicates", "accept");
  options.unsorted = policy(data, "unsorted", "accept");
  options.future = policy(data, "future", "drop");
  if (data.has("latest")) options.latest = data.get_double("latest");
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

LabelColumns label_columns(const Config& data, const Task& task, const io::VitalsTable& table) {
  std::vector<std::string> wanted = data.has("label")
                                        ? std::vector<std::string>{data.get_string("label")}
                                        : data.get_strings("labels", task.labels);
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

/// The largest label of a stay's steps, NaN if none is known.
float largest_of_steps(const io::VitalsTable& table, std::size_t stay, std::size_t column) {
  float largest = std::numeric_limits<float>::quiet_NaN();
  const auto width = table.step_label_names.size();
  for (auto s = table.step_offsets[stay]; s < table.step_offsets[stay + 1]; ++s) {
    largest = std::fmax(largest, table.step_labels[static_cast<std::size_t>(s) * width + column]);
  }
  return largest;
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

std::vector<CaseInfo> read_infos(const Config& data, const io::VitalsTable& table,
                                 const LabelColumns& columns) {
  const auto groups = read_subgroups(data, table);
  std::vector<CaseInfo> cases(table.ids.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cases[i].id = table.ids[i];
    cases[i].patient = table.patients[i];
    for (const auto column : columns.of_step) {
      cases[i].target.push_back(largest_of_steps(table, i, column));
    }
    for (const auto column : columns.of_stay) {
      cases[i].target.push_back(table.labels[i * table.label_names.size() + column]);
    }
    for (const auto& group : groups) {
      const float value = table.statics[i * table.static_names.size() + group.column];
      cases[i].subgroups[group.name] = group.value(value);
    }
  }
  return cases;
}

/// FNV-1a over the events of a stay.
std::uint64_t hash_events(const io::VitalsTable& table, std::int64_t stay) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto mix = [&hash](double value) {
    std::uint64_t word;
    std::memcpy(&word, &value, sizeof word);
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 29;
  };
  for (auto e = table.offsets[stay]; e < table.offsets[stay + 1]; ++e) {
    mix(table.time[e]);
    mix(table.variable[e]);
    mix(table.value[e]);
  }
  return hash;
}

/// Stays of a table in memory; gridded when they are loaded.
class StayDataset : public Dataset {
 public:
  StayDataset(std::shared_ptr<const io::VitalsTable> table,
              std::shared_ptr<const StayTransform> transform, std::vector<std::int64_t> stays,
              std::vector<CaseInfo> infos, std::vector<std::size_t> step_columns)
      : table_(std::move(table)),
        transform_(std::move(transform)),
        stays_(std::move(stays)),
        infos_(std::move(infos)),
        step_columns_(std::move(step_columns)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(stays_.size()); }
  const CaseInfo& info(std::int64_t i) const override { return infos_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override {
    return hash_events(*table_, stays_.at(i));
  }

  Batch load(at::IntArrayRef indices) const override {
    std::vector<std::int64_t> stays;
    for (const auto i : indices) stays.push_back(stays_.at(i));
    Batch batch = transform_->inputs(*table_, stays);
    const bool labelled = !infos_.empty() && !infos_[0].target.empty();
    if (labelled) batch.target = of_steps() ? step_targets(stays) : Dataset::targets(indices);
    return batch;
  }

  at::Tensor targets(at::IntArrayRef indices) const override {
    if (!of_steps()) return Dataset::targets(indices);
    std::vector<std::int64_t> stays;
    for (const auto i : indices) stays.push_back(stays_.at(i));
    const at::Tensor rows = step_targets(stays).flatten(0, 1);
    return rows.index({at::isnan(rows).all(1).logical_not()});
  }

  std::int64_t steps(std::int64_t i) const override {
    return transform_->length(*table_, stays_.at(i));
  }

 private:
  bool of_steps() const { return !step_columns_.empty(); }

  /// Labels of every bin, float32 [N, T, L]; NaN where a bin has none.
  at::Tensor step_targets(const std::vector<std::int64_t>& stays) const {
    const auto steps = transform_->steps(),
               labels = static_cast<std::int64_t>(step_columns_.size());
    const auto count = static_cast<std::int64_t>(stays.size());
    at::Tensor targets = at::full({count, steps, labels}, std::nan(""), at::kFloat);
    float* out = targets.mutable_data_ptr<float>();
    const auto width = static_cast<std::int64_t>(table_->step_label_names.size());
    for (const auto stay : stays) {
      for (auto s = table_->step_offsets[stay]; s < table_->step_offsets[stay + 1]; ++s) {
        const auto bin = transform_->bin(table_->step_time[s]);
        if (bin < 0 || bin >= steps) continue;
        for (std::int64_t l = 0; l < labels; ++l) {
          const auto column = static_cast<std::int64_t>(step_columns_[l]);
          out[bin * labels + l] = table_->step_labels[s * width + column];
        }
      }
      out += steps * labels;
    }
    return targets;
  }

  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<std::int64_t> stays_;
  std::vector<CaseInfo> infos_;
  std::vector<std::size_t> step_columns_;
};

}  // namespace

io::VitalsTable read_stays(const Config& data, const std::string& source, int threads,
                           const Unreadable& unreadable) {
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
  const auto options = read_options(data, threads, unreadable);
  if (source == "physionet2012") {
    return io::read_physionet2012(under_root(data.get_strings("stays")),
                                  under_root(data.get_strings("outcomes", {})), options);
  }
  if (source == "physionet2019") {
    return io::read_physionet2019(under_root(data.get_strings("stays")), options);
  }
  data.get_string("events");
  return io::read_long_table({file("events"), file("statics"), file("labels_file")}, options);
}

StaySource::StaySource(const Config& data, const Config& transform, const Task& task, int threads,
                       const Unreadable& unreadable)
    : transform_(std::make_shared<StayTransform>(transform, data.get_string("root", "."))),
      table_(std::make_shared<io::VitalsTable>(
          read_stays(data, transform_->source(), threads, unreadable))) {
  const LabelColumns columns = label_columns(data, task, *table_);
  step_columns_ = columns.of_step;
  cases_ = read_infos(data, *table_, columns);
  if (cases_.empty() && table_->counts.unreadable == 0)
    throw Error("There are no stays in the data.");
  transform_->variables().map(*table_);
}

void StaySource::fit(const std::vector<std::int64_t>& train) { transform_->fit(*table_, train); }

std::unique_ptr<Dataset> StaySource::open(const std::vector<std::int64_t>& positions) const {
  std::vector<CaseInfo> infos;
  for (const auto position : positions) infos.push_back(cases_.at(position));
  return std::make_unique<StayDataset>(table_, transform_, positions, std::move(infos),
                                       step_columns_);
}

void StaySource::describe(ModelSpec& spec) const {
  spec.modality = Modality::kVitals;
  spec.variables = static_cast<std::int64_t>(transform_->variables().variables().size());
  spec.statics = transform_->static_width();
  spec.steps = transform_->steps();
  spec.per_step = !step_columns_.empty();
}

}  // namespace salus::data
