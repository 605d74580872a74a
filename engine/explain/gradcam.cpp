#include <torch/torch.h>

#include "engine/explain/attribution.h"
#include "engine/io/error.h"

namespace salus::explain {

Attribution grad_cam(Model& model, const at::Tensor& image, std::int64_t label) {
  Batch batch;
  batch.inputs["image"] = image;
  batch.ids.resize(1);
  at::Tensor map;
  {
    at::NoGradGuard no_grad;  // only what follows the feature map is differentiated
    map = model.feature_map(batch);
  }
  if (!map.defined()) {
    throw Error("The model has no feature map, which Grad-CAM needs. Use occlusion.");
  }
  at::AutoGradMode with_gradients(true);
  map = map.detach().to(at::kFloat).requires_grad_(true);
  const at::Tensor logit = model.classify(model.pool(map)).select(1, label).sum();
  const at::Tensor gradient = torch::autograd::grad({logit}, {map})[0];
  at::NoGradGuard no_grad;
  const at::Tensor weight = gradient.mean({2, 3}, /*keepdim=*/true);
  const at::Tensor cam = (weight * map).sum(1).relu().squeeze(0);
  return {cam.detach().to(at::kCPU).contiguous(), logit.item<double>()};
}

}  // namespace salus::explain
