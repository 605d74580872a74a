#pragma once

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/model.h"
#include "models/zoo.h"
#include "tests/support/formula_weights.h"

namespace salus::test {

inline std::shared_ptr<Model> make_model(const ModelSpec& spec) {
  Registry registry;
  register_zoo(registry);
  return registry.make(spec);
}

inline ModelSpec spec_of(const std::string& name, std::int64_t channels, std::int64_t height,
                         std::int64_t width, std::int64_t outputs,
                         std::map<std::string, double> options = {}) {
  ModelSpec spec;
  spec.name = name;
  spec.channels = channels;
  spec.height = height;
  spec.width = width;
  spec.outputs = outputs;
  spec.options = std::move(options);
  return spec;
}

inline std::map<std::string, at::Tensor> state_of(torch::nn::Module& model) {
  std::map<std::string, at::Tensor> state;
  for (const auto& item : model.named_parameters()) state[item.key()] = item.value();
  for (const auto& item : model.named_buffers()) state[item.key()] = item.value();
  return state;
}

inline void fill_by_formula(torch::nn::Module& model) {
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : state_of(model)) {
    if (!tensor.is_floating_point()) continue;
    std::vector<float> values = formula_weights(name, tensor.sizes().vec());
    tensor.copy_(torch::from_blob(values.data(), tensor.sizes(), torch::kFloat));
  }
}

/// The golden image: uniform in [-1, 1).
inline at::Tensor formula_image(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  std::vector<double> values = formula_uniform("image", static_cast<std::size_t>(count));
  return torch::from_blob(values.data(), shape, torch::kDouble).to(torch::kFloat);
}

inline Batch batch_of(const at::Tensor& image) {
  Batch batch;
  batch.inputs["image"] = image;
  batch.ids.resize(static_cast<std::size_t>(image.size(0)));
  return batch;
}

/// max |a - b| / max |b|.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(torch::kDouble), y = b.to(torch::kDouble);
  return ((x - y).abs().max() / y.abs().max()).item<double>();
}

}  // namespace salus::test
