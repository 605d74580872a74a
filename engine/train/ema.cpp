#include "engine/train/ema.h"

#include <torch/torch.h>

#include <algorithm>

#include "engine/train/state.h"

namespace salus::train {

Ema::Ema(Model& model, double decay) : decay_(decay) {
  at::NoGradGuard guard;
  const auto add = [this](const std::string& name, const at::Tensor& value) {
    const bool averaged = value.is_floating_point();
    (averaged ? names_ : counter_names_).push_back(name);
    (averaged ? live_ : live_counters_).push_back(value);
    (averaged ? average_ : counters_).push_back(value.detach().clone());
  };
  for (const auto& item : model.named_parameters()) add(item.key(), item.value());
  for (const auto& item : model.named_buffers()) add(item.key(), item.value());
}

double Ema::decay_at(double decay, std::int64_t t) {
  return std::min(decay, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
}

void Ema::update(std::int64_t t) {
  at::NoGradGuard guard;
  at::_foreach_lerp_(average_, live_, 1 - decay_at(decay_, t));
  for (std::size_t i = 0; i < counters_.size(); ++i) counters_[i].copy_(live_counters_[i]);
}

std::map<std::string, at::Tensor> Ema::state() const {
  std::map<std::string, at::Tensor> state;
  for (std::size_t i = 0; i < names_.size(); ++i) state[names_[i]] = average_[i];
  for (std::size_t i = 0; i < counter_names_.size(); ++i) state[counter_names_[i]] = counters_[i];
  return state;
}

void Ema::load_state(const std::map<std::string, at::Tensor>& state) {
  copy_into(this->state(), state, "moving average");
}

void Ema::swap() {
  const auto exchange = [](std::vector<at::Tensor>& live, std::vector<at::Tensor>& other) {
    for (std::size_t i = 0; i < live.size(); ++i) {
      const at::Tensor held = live[i].detach();
      live[i].set_data(other[i]);
      other[i] = held;
    }
  };
  exchange(live_, average_);
  exchange(live_counters_, counters_);
}

}  // namespace salus::train
