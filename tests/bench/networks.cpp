#include "tests/bench/networks.h"

#include <torch/torch.h>

#include "models/zoo.h"

namespace salus::bench {

std::shared_ptr<Model> make_model(const ModelSpec& spec) {
  Registry zoo;
  register_zoo(zoo);
  return zoo.make(spec);
}

std::int64_t parameters_of(const Model& model) {
  std::int64_t count = 0;
  for (const auto& parameter : model.parameters()) count += parameter.numel();
  return count;
}

at::Tensor formula(at::IntArrayRef shape, double phase, double scale) {
  const auto count = c10::multiply_integers(shape);
  return ((at::arange(count, at::kDouble) * 0.37 + phase).sin() * scale).to(at::kFloat).view(shape);
}

}  // namespace salus::bench
