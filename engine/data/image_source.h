#pragma once

#include <memory>
#include <vector>

#include "engine/data/image_dataset.h"
#include "engine/data/source.h"

namespace salus::data {

/// Images of a manifest, an NPZ or class folders (see read_cases); patients that these do not name are
/// those of DICOM headers (see fill_patients), unless [data] patient = "".
class ImageSource : public Source {
 public:
  ImageSource(const Config& data, const Config& transform, const Task& task, int threads);

  const std::vector<CaseInfo>& cases() const override { return infos_; }
  std::unique_ptr<Dataset> open(const std::vector<std::int64_t>& positions) const override;
  std::string transform_toml() const override { return transform_toml_; }
  void describe(ModelSpec& spec) const override;
  std::string remarks() const override { return remarks_; }

 private:
  std::vector<ImageCase> cases_;
  std::vector<CaseInfo> infos_;
  std::shared_ptr<const Transform> transform_;
  std::string transform_toml_;
  Task task_;
  int threads_;
  std::string remarks_;
};

}  // namespace salus::data
