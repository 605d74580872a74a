#include "engine/data/known_labels.h"

#include <ATen/ops/isnan.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/io/error.h"

namespace salus::data {
namespace {

constexpr std::int64_t kCasesAtOnce = 256;

bool knows_any(const Dataset& dataset) {
  for (std::int64_t begin = 0; begin < dataset.size(); begin += kCasesAtOnce) {
    std::vector<std::int64_t> positions(std::min(kCasesAtOnce, dataset.size() - begin));
    std::iota(positions.begin(), positions.end(), begin);
    const at::Tensor targets = dataset.targets(positions);
    if (!at::isnan(targets).all().item<bool>()) return true;
  }
  return false;
}

/// The first of `keys` that the table gives; "" if it gives none.
std::string given_key(const Config& data, const std::vector<std::string>& keys) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return data.has(key); });
  return found == keys.end() ? "" : *found;
}

/// The files that labels are read from.
std::vector<std::string> label_files(const Config& data) {
  for (const char* key : {"labels_file", "outcomes", "manifest", "npz", "folder", "stays"}) {
    if (!data.has(key)) continue;
    auto files = data.get_strings(key);
    std::erase(files, "");
    if (!files.empty()) return files;
  }
  return {"the data"};
}

}  // namespace

void require_known_labels(const Dataset& dataset, const Config& data, const Task& task,
                          const std::string& of) {
  if (knows_any(dataset)) return;
  const std::string key = given_key(data, {"onset", "next", "label", "labels"});
  const auto columns = key.empty() ? task.labels : data.get_strings(key);
  throw Error(fmt::format(
      "{}: no case of {} has a label in {} (\"{}\"); correct the column, or name another.",
      data.where(key.empty() ? "label" : key), of, fmt::join(label_files(data), ", "),
      fmt::join(columns, "\", \"")));
}

}  // namespace salus::data
