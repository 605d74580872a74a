#pragma once

#include <ATen/ops/tensor.h>

#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace salus::test {

/// Cases that live in memory; the input "x" [N, 1] of case i is i.
class MemoryDataset : public data::Dataset {
 public:
  void add(const std::string& patient, std::vector<float> target, std::uint64_t hash = 0) {
    data::CaseInfo info;
    info.id = std::to_string(infos_.size());
    info.patient = patient;
    info.target = std::move(target);
    infos_.push_back(std::move(info));
    hashes_.push_back(hash);
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(infos_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return infos_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override { return hashes_.at(i); }
  Batch load(at::IntArrayRef indices) const override {
    Batch batch;
    std::vector<float> values;
    for (const auto i : indices) {
      batch.ids.push_back(info(i).id);
      values.push_back(static_cast<float>(i));
    }
    const auto count = static_cast<std::int64_t>(values.size());
    batch.inputs["x"] = at::tensor(values).reshape({count, 1});
    return batch;
  }

 private:
  std::vector<data::CaseInfo> infos_;
  std::vector<std::uint64_t> hashes_;
};

}  // namespace salus::test
