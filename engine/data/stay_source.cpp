#include "engine/data/stay_source.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

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

io::VitalsOptions read_options(const Config& data, int threads) {
  io::VitalsOptions options;
  options.duplicates = policy(data, "duplicates", "accept");
  options.unsorted = policy(data, "unsorted", "accept");
  options.future = policy(data, "future", "drop");
  if (data.has("latest")) options.latest = data.get_double("latest");
  options.threads = threads;
  return options;
}

/// Where each of the task's labels stands in a table's label names.
std::vector<std::size_t> label_columns(const Config& data, const Task& task,
                                       const std::vector<std::string>& names) {
  std::vector<std::string> wanted = data.has("label")
                                        ? std::vector<std::string>{data.get_string("label")}
                                        : data.get_strings("labels", task.labels);
  if (wanted.size() != task.labels.size()) {
    throw UsageError(fmt::format("{} names {} columns, but the task has {} labels.",
                                 data.where("labels"), wanted.size(), task.labels.size()));
  }
  if (names.empty()) return {};  // unlabelled
  std::vector<std::size_t> columns;
  for (const auto& name : wanted) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw UsageError(fmt::format("{}: the data have no label \"{}\"; they have {}.",
                                   data.where("label"), name, fmt::join(names, ", ")));
    }
    columns.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return columns;
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

std::vector<CaseInfo> read_infos(const Config& data, const Task& task,
                                 const io::VitalsTable& table) {
  const auto columns = label_columns(data, task, table.label_names);
  const auto groups = read_subgroups(data, table);
  std::vector<CaseInfo> cases(table.ids.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cases[i].id = table.ids[i];
    cases[i].patient = table.patients[i];
    for (const auto column : columns) {
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
              std::vector<CaseInfo> infos)
      : table_(std::move(table)),
        transform_(std::move(transform)),
        stays_(std::move(stays)),
        infos_(std::move(infos)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(stays_.size()); }
  const CaseInfo& info(std::int64_t i) const override { return infos_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override {
    return hash_events(*table_, stays_.at(i));
  }

  Batch load(at::IntArrayRef indices) const override {
    std::vector<std::int64_t> stays;
    for (const auto i : indices) stays.push_back(stays_.at(i));
    Batch batch = transform_->inputs(*table_, stays);
    const auto labels = infos_.empty() ? 0 : static_cast<std::int64_t>(infos_[0].target.size());
    if (labels == 0) return batch;
    batch.target = at::empty({static_cast<std::int64_t>(stays.size()), labels}, at::kFloat);
    float* out = batch.target.mutable_data_ptr<float>();
    for (const auto i : indices) out = std::copy_n(infos_[i].target.data(), labels, out);
    return batch;
  }

 private:
  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<std::int64_t> stays_;
  std::vector<CaseInfo> infos_;
};

}  // namespace

io::VitalsTable read_stays(const Config& data, const std::string& source, int threads) {
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
  const auto options = read_options(data, threads);
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

StaySource::StaySource(const Config& data, const Config& transform, const Task& task, int threads)
    : transform_(std::make_shared<StayTransform>(transform, data.get_string("root", "."))),
      table_(std::make_shared<io::VitalsTable>(read_stays(data, transform_->source(), threads))),
      task_(task) {
  cases_ = read_infos(data, task, *table_);
  if (cases_.empty()) throw Error("There are no stays in the data.");
  transform_->variables().map(*table_);
}

void StaySource::fit(const std::vector<std::int64_t>& train) { transform_->fit(*table_, train); }

std::unique_ptr<Dataset> StaySource::open(const std::vector<std::int64_t>& positions) const {
  std::vector<CaseInfo> infos;
  for (const auto position : positions) infos.push_back(cases_.at(position));
  return std::make_unique<StayDataset>(table_, transform_, positions, std::move(infos));
}

void StaySource::describe(ModelSpec& spec) const {
  spec.modality = Modality::kVitals;
  spec.variables = static_cast<std::int64_t>(transform_->variables().variables().size());
  spec.statics = transform_->static_width();
  spec.steps = transform_->steps();
}

}  // namespace salus::data
