#include "models/vitals/vitals_model.h"

#include <algorithm>

#include "models/options.h"

namespace salus::models {
namespace {

const at::Tensor& input(const Batch& batch, const char* name) {
  const auto found = batch.inputs.find(name);
  TORCH_CHECK(found != batch.inputs.end(), "a model of vital signs needs the input '", name, "'");
  return found->second;
}

/// While training the steps that no stay of the batch has are left out: shorter batches are faster.
/// When scoring the shape stays, so that a score does not depend on the batch.
Stays stays_of(const Batch& batch, bool training) {
  Stays stays{input(batch, "values"), input(batch, "mask"), input(batch, "delta"),
              input(batch, "length"), input(batch, "static")};
  if (!training) return stays;
  const auto longest = std::max<std::int64_t>(1, stays.length.max().item<std::int64_t>());
  for (at::Tensor* tensor : {&stays.values, &stays.mask, &stays.delta}) {
    *tensor = tensor->narrow(1, 0, std::min(longest, tensor->size(1)));
  }
  return stays;
}

/// float [N, T]: 1 where the step is within the stay.
at::Tensor valid_steps(const Stays& stays) {
  const auto steps = at::arange(stays.values.size(1), stays.length.options());
  return steps.unsqueeze(0).lt(stays.length.unsqueeze(1)).to(stays.values.scalar_type());
}

}  // namespace

VitalsModel::VitalsModel(const ModelSpec& spec)
    : hidden_(positive_option(spec, "hidden", 64)),
      statics_(spec.statics),
      per_step_(spec.per_step),
      summary_(flag_option(spec, "summary")),
      dropout_(fraction_option(spec, "dropout", 0)) {
  if (statics_ > 0) {
    static_state_ = register_module("static_state", torch::nn::Linear(statics_, hidden_));
  }
  const auto more = summary_ && !per_step_ ? kSummaries * spec.variables : 0;
  fc_ = register_module("fc", torch::nn::Linear(hidden_ + statics_ + more, spec.outputs));
}

at::Tensor VitalsModel::initial_state(const Stays& stays) {
  if (static_state_) return at::tanh(static_state_->forward(stays.statics));
  return at::zeros({stays.values.size(0), hidden_}, stays.values.options());
}

at::Tensor VitalsModel::embed(const Batch& batch) {
  const Stays stays = stays_of(batch, is_training());
  const at::Tensor initial = initial_state(stays);
  const at::Tensor states = encode(stays, initial);
  if (per_step_) {
    const auto steps = stays.values.size(1);
    return at::cat({states, stays.statics.unsqueeze(1).expand({-1, steps, -1})}, 2);
  }
  const auto last = stays.length.sub(1).clamp_min(0).view({-1, 1, 1}).expand({-1, 1, hidden_});
  const at::Tensor at_end = states.gather(1, last).squeeze(1);
  std::vector<at::Tensor> parts{
      at::where(stays.length.gt(0).unsqueeze(1), at_end, initial.to(at_end.scalar_type())),
      stays.statics};
  if (summary_) parts.push_back(summarise(stays));
  return at::cat(parts, 1);
}

at::Tensor VitalsModel::classify(const at::Tensor& features) {
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor kept =
      at::dropout(features.to(fc_->weight.scalar_type()), dropout_, is_training());
  return fc_->forward(kept);
}

at::Tensor summarise(const Stays& stays) {
  const auto& x = stays.values;
  const at::Tensor seen = stays.mask * valid_steps(stays).unsqueeze(2);
  const at::Tensor is_seen = seen.gt(0);
  const at::Tensor count = seen.sum(1), some = count.gt(0), n = count.clamp_min(1);
  const at::Tensor time = at::arange(x.size(1), x.options()).view({1, -1, 1}).expand_as(x) * seen;
  const at::Tensor mean = (x * seen).sum(1) / n, mean_time = time.sum(1) / n;
  const at::Tensor from_mean = (time - mean_time.unsqueeze(1)) * seen;
  const at::Tensor spread = from_mean.square().sum(1);
  const at::Tensor slope = (from_mean * x).sum(1) / spread.clamp_min(1);
  constexpr double kNever = 1e30;
  const auto at_step = [&](const at::Tensor& step) {
    return x.gather(1, step.clamp(0, x.size(1) - 1).to(at::kLong).unsqueeze(1)).squeeze(1);
  };
  const at::Tensor steps = at::arange(x.size(1), x.options()).view({1, -1, 1}).expand_as(x);
  const at::Tensor first = at_step(steps.masked_fill(~is_seen, kNever).amin(1));
  const at::Tensor last = at_step(steps.masked_fill(~is_seen, -1).amax(1));
  const at::Tensor low = x.masked_fill(~is_seen, kNever).amin(1);
  const at::Tensor high = x.masked_fill(~is_seen, -kNever).amax(1);
  const at::Tensor all = at::stack({low, high, mean, first, last, slope}, 2);
  const at::Tensor kept = at::where(some.unsqueeze(2), all, at::zeros_like(all));
  return at::cat({kept, count.log1p().unsqueeze(2)}, 2).flatten(1);
}

at::Tensor series_of(const Stays& stays) {
  return at::cat({stays.values, stays.mask, stays.delta.log1p()}, 2);
}

std::map<std::string, std::string> vitals_options(std::map<std::string, std::string> more) {
  more.insert({{"hidden", "units of the state (64)"},
               {"dropout", "dropout before the head (0)"},
               {"summary",
                "1: minimum, maximum, mean, first, last, count and slope of each variable "
                "beside the state (0)"}});
  return more;
}

}  // namespace salus::models
