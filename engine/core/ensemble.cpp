#include "engine/core/ensemble.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "engine/core/ensemble_steps.h"

namespace salus {

std::string member_name(std::size_t member) { return fmt::format("member{}", member); }

Ensemble::Ensemble(std::vector<std::shared_ptr<Model>> members, std::int64_t outputs)
    : members_(std::move(members)) {
  for (std::size_t m = 0; m < members_.size(); ++m) {
    register_module(member_name(m), members_[m]);
    slopes_.push_back(register_buffer(fmt::format("slope{}", m), at::ones({outputs})));
    intercepts_.push_back(register_buffer(fmt::format("intercept{}", m), at::zeros({outputs})));
  }
}

at::Tensor Ensemble::embed(const Batch& batch) {
  std::vector<at::Tensor> features;
  for (const auto& member : members_) features.push_back(member->embed(batch));
  std::call_once(measured_, [&] {
    for (const at::Tensor& part : features) widths_.push_back(part.size(-1));
  });
  return at::cat(features, -1);
}

at::Tensor Ensemble::classify(const at::Tensor& features) {
  const auto parts = features.split_with_sizes(widths_, -1);
  at::Tensor sum;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const at::Tensor logits = members_[m]->classify(parts[m]).to(at::kFloat);
    const at::Tensor comparable = logits * slopes_[m] + intercepts_[m];
    sum = sum.defined() ? sum + comparable : comparable;
  }
  return sum / static_cast<double>(members_.size());
}

void Ensemble::prepare_line(const Batch& from, const Batch& to) {
  for (const auto& member : members_) member->prepare_line(from, to);
}

std::unique_ptr<StepNetwork> Ensemble::step_network() const {
  const auto floats = [](const at::Tensor& values) {
    const at::Tensor plain = values.to(at::kCPU, at::kFloat).contiguous();
    const float* first = plain.const_data_ptr<float>();
    return std::vector<float>(first, first + plain.numel());
  };
  std::vector<EnsembleStepMember> steps;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    steps.push_back({members_[m]->step_network(), floats(slopes_[m]), floats(intercepts_[m])});
    if (!steps.back().network) return nullptr;
  }
  return ensemble_steps(std::move(steps));
}

void Ensemble::prepare_inference(at::ScalarType dtype) {
  eval();
  for (const auto& member : members_) member->prepare_inference(dtype);
}

}  // namespace salus
