#include "engine/train/parts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "engine/data/split.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/train/progress.h"

namespace salus::train {
namespace {

constexpr double kMemoryShare = 0.4;
constexpr std::size_t kMostDuplicates = 1000;

using Cases = std::vector<data::ImageCase>;

Cases select(const Cases& cases, const std::vector<std::int64_t>& positions) {
  Cases chosen;
  for (const auto position : positions) chosen.push_back(cases[position]);
  return chosen;
}

/// Metadata of cases as a Dataset, for splitting before any pixel is read.
class CaseList : public data::Dataset {
 public:
  explicit CaseList(const Cases& cases) : cases_(cases) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(cases_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return cases_.at(i).info; }
  Batch load(at::IntArrayRef) const override { throw std::logic_error("a list has no pixels"); }
  std::uint64_t content_hash(std::int64_t) const override {
    throw std::logic_error("a list has no pixels");
  }

 private:
  const Cases& cases_;
};

/// Divides by a column of the manifest, which travels as a subgroup and is taken out again.
void split_by_column(Config data, const Task& task, Parts& parts) {
  const std::string column = data.get_string("split.column");
  const auto subgroups = data.get_strings("subgroups", {});
  auto with = subgroups;
  with.push_back(column);
  std::string list;
  for (const auto& name : with) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  data.override_with("subgroups", "[" + list + "]");
  auto cases = data::read_cases(data, task, "");
  list.clear();
  for (const auto& name : subgroups)
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  data.override_with("subgroups", "[" + list + "]");
  const bool keep = std::find(subgroups.begin(), subgroups.end(), column) != subgroups.end();
  for (auto& item : cases) {
    const std::string part = item.info.subgroups[column];
    if (!keep) item.info.subgroups.erase(column);
    if (part == "train") {
      parts.train_cases.push_back(std::move(item));
    } else if (part == "valid" || part == "val") {
      parts.valid_cases.push_back(std::move(item));
    } else if (part == "test") {
      parts.test_cases.push_back(std::move(item));
    } else {
      throw Error(
          fmt::format("{}: the column \"{}\" holds \"{}\"; it must be train, valid or test.",
                      data.where("split.column"), column, part));
    }
  }
}

Cases read_all(const Config& data, const Task& task) {
  if (!data.has("npz")) return data::read_cases(data, task, "");
  Cases all;
  for (const char* part : {"train", "val", "test"}) {
    auto cases = data::read_cases(data, task, part);
    std::move(cases.begin(), cases.end(), std::back_inserter(all));
  }
  return all;
}

void split_at_random(const Config& data, const Task& task, Parts& parts) {
  const Config table = data.table("split");
  const Cases all = read_all(data, task);
  const CaseList list(all);
  const auto seed = static_cast<std::uint64_t>(table.get_int("seed", 0));
  const double valid = table.get_double("valid", 0.15);
  const double test = table.get_double("test", 0.15);  // with folds the fold is the test part
  data::Split split;
  if (table.has("folds")) {
    parts.folds = table.get_int("folds");
    parts.fold = table.get_int("fold", 0);
    split = data::fold_by_patient(list, static_cast<int>(parts.folds), static_cast<int>(parts.fold),
                                  valid, seed);
  } else {
    split = data::split_by_patient(list, valid, test, seed);
  }
  parts.train_cases = select(all, split.train);
  parts.valid_cases = select(all, split.valid);
  parts.test_cases = select(all, split.test);
}

std::vector<std::int64_t> everything(const data::Dataset& dataset) {
  std::vector<std::int64_t> positions(dataset.size());
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

void refuse_shared(const Cases& a, const Cases& b) {
  const CaseList first(a), second(b);
  data::refuse_shared_patients(first, everything(first), second, everything(second));
}

/// Training and validation cases without any known target cannot be used.
void require_cases(const Cases& cases, const Config& data, const char* part) {
  if (cases.empty()) {
    throw UsageError(fmt::format("{}: the {} part is empty.", data.where("split"), part));
  }
  const bool labelled = std::all_of(cases.begin(), cases.end(), [](const data::ImageCase& item) {
    return !item.info.target.empty();
  });
  if (!labelled) {
    throw UsageError(
        fmt::format("{}: cases of the {} part have no labels.", data.where("label"), part));
  }
}

/// Bytes that can be taken without swapping; 0 if the system does not say.
double free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  double kilobytes = 0;
  std::string rest;
  while (file >> key >> kilobytes && std::getline(file, rest)) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return 0;
}

void warn_about(const char* name_a, const data::Dataset& a, const char* name_b,
                const data::Dataset& b, std::vector<std::string>& warnings) {
  const auto pairs = data::shared_pixels(a, everything(a), b, everything(b), kMostDuplicates);
  if (pairs.empty()) return;
  warnings.push_back(fmt::format(
      "Warning: {}{} images of the {} part have the same pixels as one of the {} part (first: "
      "position {} there and {} here). Scores on them say less than they seem to.",
      pairs.size() == kMostDuplicates ? "at least " : "", pairs.size(), name_b, name_a,
      pairs[0].first, pairs[0].second));
}

}  // namespace

Parts read_parts(const Config& data, const Task& task,
                 std::shared_ptr<const data::Transform> transform, int threads) {
  Parts parts;
  if (data.has("split.column")) {
    split_by_column(data, task, parts);
  } else if (data.has("npz") && !data.has("split.folds")) {
    parts.train_cases = data::read_cases(data, task, "train");
    parts.valid_cases = data::read_cases(data, task, "val");
    parts.test_cases = data::read_cases(data, task, "test");
  } else {
    split_at_random(data, task, parts);
  }
  require_cases(parts.train_cases, data, "training");
  require_cases(parts.valid_cases, data, "validation");
  refuse_shared(parts.train_cases, parts.valid_cases);
  refuse_shared(parts.train_cases, parts.test_cases);
  refuse_shared(parts.valid_cases, parts.test_cases);
  const auto open = [&](const Cases& cases) {
    return std::make_unique<data::ImageDataset>(cases, transform, task, threads);
  };
  parts.train = open(parts.train_cases);
  parts.valid = open(parts.valid_cases);
  if (!parts.test_cases.empty()) parts.test = open(parts.test_cases);
  return parts;
}

void cache_parts(Parts& parts, const Config& data,
                 const std::function<void(const std::string&)>& say) {
  const auto bytes = static_cast<double>(parts.train->cache_bytes() + parts.valid->cache_bytes());
  const bool fits = bytes < kMemoryShare * free_memory();
  parts.cached = data.has("cache") ? data.get_bool("cache", fits) : fits;
  if (!parts.cached) return;
  for (data::ImageDataset* part : {parts.train.get(), parts.valid.get()}) {
    ProgressBar bar;
    bar.start("reading", part->size());
    part->cache([&](std::int64_t done, std::int64_t) { bar.update(done); });
  }
  say(fmt::format("{} training and {} validation images are in memory ({:.0f} MB).",
                  parts.train->size(), parts.valid->size(), bytes / 1e6));
}

std::vector<std::string> duplicate_warnings(const Parts& parts) {
  std::vector<std::string> warnings;
  if (!parts.cached) return warnings;  // reading everything twice would cost more than it tells
  warn_about("training", *parts.train, "validation", *parts.valid, warnings);
  if (!parts.test) return warnings;
  warn_about("training", *parts.train, "test", *parts.test, warnings);
  warn_about("validation", *parts.valid, "test", *parts.test, warnings);
  return warnings;
}

std::string data_hash(const Parts& parts) {
  std::string text;
  const auto add = [&](const char* name, const data::ImageDataset& part) {
    text += fmt::format("[{}]\n", name);
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const auto& info = part.info(i);
      text += fmt::format("{}:{}", info.id, fmt::join(info.target, ","));
      if (parts.cached) text += fmt::format(":{:016x}", part.content_hash(i));
      text += "\n";
    }
  };
  add("train", *parts.train);
  add("valid", *parts.valid);
  return io::sha256(std::as_bytes(std::span(text)));
}

}  // namespace salus::train
