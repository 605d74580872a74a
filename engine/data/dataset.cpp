#include "engine/data/dataset.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace salus::data {

std::string part_named(const std::string& name) {
  if (name == "val" || name == "validation") return "valid";
  return name == "train" || name == "valid" || name == "test" ? name : "";
}

at::Tensor Dataset::targets(at::IntArrayRef indices) const {
  const auto labels = indices.empty() ? 0 : info(indices[0]).target.size();
  auto all = at::empty(
      {static_cast<std::int64_t>(indices.size()), static_cast<std::int64_t>(labels)}, at::kFloat);
  auto* out = all.mutable_data_ptr<float>();
  for (const auto i : indices) {
    const auto& target = info(i).target;
    TORCH_CHECK(target.size() == labels, "case ", i, " has ", target.size(), " targets, not ",
                labels);
    out = std::copy(target.begin(), target.end(), out);
  }
  return all;
}

}  // namespace salus::data
