#pragma once

#include <memory>
#include <vector>

#include "engine/data/image_dataset.h"
#include "engine/data/source.h"

namespace salus::data {

/// Images of a manifest, an NPZ or class folders (see read_cases).
class ImageSource : public Source {
 public:
  ImageSource(const Config& data, const Config& transform, const Task& task, int threads);

  const std::vector<CaseInfo>& cases() const override { return infos_; }
  std::unique_ptr<Dataset> open(const std::vector<std::int64_t>& positions) const override;
  std::string transform_toml() const override { return transform_toml_; }
  void describe(ModelSpec& spec) const override;

 private:
  std::vector<ImageCase> cases_;
  std::vector<CaseInfo> infos_;
  std::shared_ptr<const Transform> transform_;
  std::string transform_toml_;
  Task task_;
  int threads_;
};

}  // namespace salus::data
