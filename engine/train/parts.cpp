#include "engine/train/parts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "engine/data/known_labels.h"
#include "engine/data/lines_below.h"
#include "engine/data/split.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/train/progress.h"

namespace salus::train {
namespace {

constexpr double kMemoryShare = 0.4;
constexpr std::size_t kMostDuplicates = 1000;

using Positions = std::vector<std::int64_t>;

/// What is known of cases as a Dataset, for splitting before anything is read.
class CaseList : public data::Dataset {
 public:
  explicit CaseList(const std::vector<data::CaseInfo>& cases) : cases_(cases) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(cases_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return cases_.at(i); }
  Batch load(at::IntArrayRef) const override { throw std::logic_error("a list has no inputs"); }
  std::uint64_t content_hash(std::int64_t) const override {
    throw std::logic_error("a list has no inputs");
  }

 private:
  const std::vector<data::CaseInfo>& cases_;
};

/// Positions of the parts that the data bring.
data::Split given_split(const CaseList& list) {
  data::Split split;
  for (std::int64_t i = 0; i < list.size(); ++i) {
    const std::string& part = list.info(i).part;
    auto& side = part == "valid" ? split.valid : part == "test" ? split.test : split.train;
    side.push_back(i);
  }
  return split;
}

data::Split random_split(const CaseList& list, const Config& table, Parts& parts) {
  const auto seed = static_cast<std::uint64_t>(table.get_int("seed", 0));
  const double valid = table.get_double("valid", 0.15);
  const double test = table.get_double("test", 0.15);  // with folds the fold is the test part
  if (!table.has("folds")) return data::split_by_patient(list, valid, test, seed);
  parts.folds = table.get_int("folds");
  parts.fold = table.get_int("fold", 0);
  return data::fold_by_patient(list, static_cast<int>(parts.folds), static_cast<int>(parts.fold),
                               valid, seed);
}

std::vector<std::int64_t> everything(const data::Dataset& dataset) {
  std::vector<std::int64_t> positions(dataset.size());
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

/// Training and validation parts need cases that may have a target; see refuse_unlabelled().
void require_cases(const CaseList& list, const Positions& positions, const Config& data,
                   const char* part) {
  if (positions.empty()) {
    throw UsageError(fmt::format("{}: the {} part is empty.", data.where("split"), part));
  }
  const bool labelled = std::all_of(positions.begin(), positions.end(),
                                    [&](std::int64_t i) { return !list.info(i).target.empty(); });
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
      "Warning: {}{} cases of the {} part have the same contents as one of the {} part (first: {} "
      "there and {} here). Scores on them say less than they seem to.",
      pairs.size() == kMostDuplicates ? "at least " : "", pairs.size(), name_b, name_a,
      a.info(pairs[0].first).id, b.info(pairs[0].second).id));
}

/// Training and validation cases together, in parts that are held out in turn.
std::vector<Turn> read_turns(const data::Source& source, const data::Dataset& train,
                             const Positions& positions, const Config& table) {
  const auto folds = static_cast<int>(table.get_int("member_folds"));
  if (folds < 2) {
    throw UsageError(fmt::format("{} must be at least 2.", table.where("member_folds")));
  }
  const auto seed = static_cast<std::uint64_t>(table.get_int("seed", 0));
  std::vector<Turn> turns(static_cast<std::size_t>(folds));
  for (int k = 0; k < folds; ++k) {
    auto split = data::fold_by_patient(train, folds, k, /*valid_fraction=*/0, seed);
    Positions held;
    for (const auto i : split.test) held.push_back(positions[i]);
    turns[k] = {source.open(held), std::move(split.test), std::move(split.train)};
  }
  return turns;
}

}  // namespace

Parts read_parts(std::unique_ptr<data::Source> source, const Config& data) {
  Parts parts;
  const CaseList list(source->cases());
  const bool given = std::any_of(source->cases().begin(), source->cases().end(),
                                 [](const data::CaseInfo& info) { return !info.part.empty(); });
  const Config table = data.table("split");
  auto split = given && !table.has("folds") ? given_split(list) : random_split(list, table, parts);
  require_cases(list, split.train, data, "training");
  const bool in_turns = table.has("member_folds");
  if (!in_turns) require_cases(list, split.valid, data, "validation");
  data::refuse_shared_patients(list, split.train, list, split.valid);
  data::refuse_shared_patients(list, split.train, list, split.test);
  data::refuse_shared_patients(list, split.valid, list, split.test);
  if (in_turns) {
    split.train.insert(split.train.end(), split.valid.begin(), split.valid.end());
    std::sort(split.train.begin(), split.train.end());
  }
  source->fit(split.train);
  parts.train = source->open(split.train);
  if (in_turns) {
    parts.turns = read_turns(*source, *parts.train, split.train, table);
  } else {
    parts.valid = source->open(split.valid);
  }
  if (!split.test.empty()) parts.test = source->open(split.test);
  parts.source = std::move(source);
  return parts;
}

void refuse_unlabelled(const Parts& parts, const Config& data, const Task& task) {
  data::require_known_labels(*parts.train, data, task, "the training part");
  if (parts.valid) data::require_known_labels(*parts.valid, data, task, "the validation part");
  for (std::size_t k = 0; k < parts.turns.size(); ++k) {
    data::require_known_labels(
        *parts.turns[k].held_out, data, task,
        fmt::format("part {} of {} that is held out", k + 1, parts.turns.size()));
  }
}

void refuse_missing(const Parts& parts) {
  std::vector<std::string> missing;
  std::int64_t cases = 0;
  const auto look = [&](const data::Dataset* part) {
    if (part == nullptr) return;
    cases += part->size();
    for (const auto& path : part->missing_files()) missing.push_back(path + " does not exist.");
  };
  look(parts.train.get());
  look(parts.valid.get());
  look(parts.test.get());  // its pixels are compared with the others'
  if (missing.empty()) return;
  throw Error(
      fmt::format("The files of {} of {} cases are missing. Mend [data] or leave them out:{}",
                  missing.size(), cases, data::lines_below(missing)));
}

void cache_parts(Parts& parts, const Config& data,
                 const std::function<void(const std::string&)>& say) {
  std::vector<data::Dataset*> datasets{parts.train.get()};
  if (parts.valid) datasets.push_back(parts.valid.get());
  double bytes = 0;
  for (const data::Dataset* part : datasets) bytes += static_cast<double>(part->cache_bytes());
  const bool fits = bytes < kMemoryShare * free_memory();
  const bool wanted = data.has("cache") ? data.get_bool("cache", fits) : fits;
  parts.cached = wanted || bytes == 0;  // what takes no more is in memory already, as stays are
  if (!parts.cached) return;
  for (data::Dataset* part : datasets) {
    ProgressBar bar;
    bar.start("reading", part->size());
    part->cache([&](std::int64_t done, std::int64_t) { bar.update(done); });
  }
  say(fmt::format("{} training and {} validation cases are in memory ({:.0f} MB).",
                  parts.train->size(), parts.valid ? parts.valid->size() : 0, bytes / 1e6));
}

std::vector<std::string> duplicate_warnings(const Parts& parts) {
  std::vector<std::string> warnings;
  if (!parts.valid && !parts.test) return warnings;
  if (!parts.cached) {  // reading everything twice would cost more than it tells
    return {"Not looked for equal images in two parts: the data are not in memory."};
  }
  if (parts.valid) warn_about("training", *parts.train, "validation", *parts.valid, warnings);
  if (parts.test) warn_about("training", *parts.train, "test", *parts.test, warnings);
  if (parts.valid && parts.test) {
    warn_about("validation", *parts.valid, "test", *parts.test, warnings);
  }
  return warnings;
}

std::string data_hash(const Parts& parts) {
  std::string text;
  const auto add = [&](const char* name, const data::Dataset& part) {
    text += fmt::format("[{}]\n", name);
    for (std::int64_t i = 0; i < part.size(); ++i) {
      const auto& info = part.info(i);
      text += fmt::format("{}:{}", info.id, fmt::join(info.target, ","));
      if (parts.cached) text += fmt::format(":{:016x}", part.content_hash(i));
      text += "\n";
    }
  };
  add("train", *parts.train);
  if (parts.valid) add("valid", *parts.valid);
  return io::sha256(std::as_bytes(std::span(text)));
}

}  // namespace salus::train
