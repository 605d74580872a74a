#include "models/image/image_model.h"

#include "models/row_wise.h"

namespace salus::models {

ImageModel::ImageModel(double dropout) : dropout_(dropout) {}

at::Tensor ImageModel::feature_map(const Batch& batch) {
  const auto image = batch.inputs.find("image");
  TORCH_CHECK(image != batch.inputs.end(), "an image model needs the input 'image'");
  return features(image->second);
}

at::Tensor ImageModel::pool(const at::Tensor& map) { return mean_by_image(map, at::kFloat); }

at::Tensor ImageModel::classify(const at::Tensor& features) {
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor kept = at::dropout(features.to(at::kFloat), dropout_, is_training());
  return linear_by_row(head_layer(), kept);
}

void ImageModel::prepare_inference(at::ScalarType dtype) {
  eval();
  prepare_layers(*this, dtype);
}

}  // namespace salus::models
