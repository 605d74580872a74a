#include "engine/data/image_source.h"

#include "engine/data/header_patients.h"

namespace salus::data {
namespace {

bool without_patients(const Config& data) {
  return data.has("patient") && data.get_string("patient").empty();
}

}  // namespace

ImageSource::ImageSource(const Config& data, const Config& transform, const Task& task, int threads)
    : cases_(read_cases(data, task)),
      transform_(std::make_shared<const Transform>(transform)),
      transform_toml_(transform.to_toml()),
      task_(task),
      threads_(threads),
      remarks_(without_patients(data) ? "" : fill_patients(cases_, threads)) {
  for (const ImageCase& item : cases_) infos_.push_back(item.info);
}

std::unique_ptr<Dataset> ImageSource::open(const std::vector<std::int64_t>& positions) const {
  std::vector<ImageCase> chosen;
  for (const auto position : positions) chosen.push_back(cases_.at(position));
  return std::make_unique<ImageDataset>(std::move(chosen), transform_, task_, threads_);
}

void ImageSource::describe(ModelSpec& spec) const {
  spec.modality = Modality::kImage;
  spec.channels = transform_->spec().channels;
  spec.height = transform_->spec().height;
  spec.width = transform_->spec().width;
}

}  // namespace salus::data
