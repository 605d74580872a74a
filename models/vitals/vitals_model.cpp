#include "models/vitals/vitals_model.h"

#include <fmt/format.h>

#include "engine/io/error.h"
#include "models/options.h"
#include "models/row_sample.h"
#include "models/row_wise.h"
#include "models/vitals/summary.h"
#include "models/vitals/vitals_step.h"

namespace salus::models {

constexpr std::int64_t kBinRows = 1 << 16;  ///< quantiles are estimated from so many at most

using NoAutocast = c10::impl::ExcludeDispatchKeyGuard;

VitalsModel::VitalsModel(const ModelSpec& spec)
    : hidden_(positive_option(spec, "hidden", 64)),
      known_(KnownFeatures::of_spec(spec)),
      dropout_(fraction_option(spec, "dropout", 0)) {
  if (known_.statics > 0) {
    static_state_ = register_module("static_state", torch::nn::Linear(known_.statics, hidden_));
  }
  const auto known = known_.width(), bins = size_option(spec, "bins");
  const auto form = flag_option(spec, "pieces") ? BinForm::kPieces : BinForm::kPlace;
  if (bins == 0 && form == BinForm::kPieces) {
    throw UsageError(fmt::format(
        "The option 'pieces' of the model '{}' needs 'bins', how many there are.", spec.name));
  }
  if (bins > 0 && known > 0) bins_ = register_module("bins", QuantileBins(known, bins, form));
  const auto width = hidden_ + (bins_ ? bins_->width() : known);
  const auto units = size_option(spec, "head");
  if (units > 0) head_ = register_module("head", torch::nn::Linear(width, units));
  fc_ = register_module("fc", torch::nn::Linear(units > 0 ? units : width, spec.outputs));
}

at::Tensor VitalsModel::initial_state(const at::Tensor& statics) {
  const NoAutocast no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor given = statics.to(dtype_);
  if (static_state_) return at::tanh(linear_by_row(static_state_, given));
  return given.new_zeros({given.size(0), hidden_});
}

/// The state after each stay's last step, [N, H].
at::Tensor VitalsModel::at_end(const at::Tensor& states, const at::Tensor& length,
                               const at::Tensor& initial) {
  const at::Tensor steps = length.to(states.device());
  const at::Tensor last = steps.sub(1).clamp_min(0).view({-1, 1, 1}).expand({-1, 1, hidden_});
  return at::where(steps.gt(0).unsqueeze(1), states.gather(1, last).squeeze(1), initial);
}

void VitalsModel::fit_statistics(const std::function<bool(Batch& batch)>& next) {
  if (!bins_) return;
  const at::NoGradGuard guard;
  RowSample sample(kBinRows);
  for (Batch batch; next(batch);) {
    const Stays stays = stays_of(batch, known_.statics, /*training=*/true);
    at::Tensor known = known_.of(stays);
    if (known_.per_step) known = known.index({within(stays)});
    sample.add(known.to(at::kCPU));
  }
  const at::Tensor rows = sample.rows();
  bins_->fit(rows, known_.present(rows));
}

at::Tensor VitalsModel::embed(const Batch& batch) {
  const Stays stays = stays_of(batch, known_.statics, is_training());
  const Stays inputs{stays.values.to(dtype_), stays.mask.to(dtype_), stays.delta.to(dtype_),
                     stays.length, stays.statics};
  const at::Tensor initial = initial_state(stays.statics);
  const at::Tensor states = encode(inputs, initial).to(at::kFloat);
  const at::Tensor state =
      known_.per_step ? states : at_end(states, stays.length, initial.to(at::kFloat));
  const at::Tensor known = known_.of(stays);
  const at::Tensor shown = bins_ ? bins_->forward(known, known_.present(known)) : known;
  return head_ ? at::relu(units(state, shown)) : at::cat({state, shown}, -1);
}

at::Tensor VitalsModel::units(const at::Tensor& state, const at::Tensor& known) {
  const NoAutocast no_autocast(c10::autocast_dispatch_keyset);
  if (!is_training() || !bins_ || bins_->form() == BinForm::kPlace) {
    const at::Tensor features = at::cat({state, known}, -1);
    return linear_by_row(head_, at::dropout(features, dropout_, is_training()));
  }
  // The pieces are many, mostly 0 and 1, and need no gradient: they are multiplied on their own.
  const auto weights = head_->weight.split_with_sizes({hidden_, known.size(-1)}, 1);
  return at::linear(at::dropout(state, dropout_, true), weights[0], head_->bias) +
         at::linear(known, weights[1]);
}

at::Tensor VitalsModel::classify(const at::Tensor& features) {
  const NoAutocast no_autocast(c10::autocast_dispatch_keyset);
  return linear_by_row(fc_, at::dropout(features.to(at::kFloat), dropout_, is_training()));
}

void VitalsModel::prepare_inference(at::ScalarType dtype) {
  eval();
  to(dtype);
  fc_->to(at::kFloat);
  if (head_) head_->to(at::kFloat);
  dtype_ = dtype;
}

std::unique_ptr<StepNetwork> VitalsModel::step_network() const {
  std::unique_ptr<StepEncoder> encoder = step_encoder();
  if (!encoder) return nullptr;
  VitalsStepParts parts{.known = known_,
                        .hidden = hidden_,
                        .outputs = fc_->weight.size(0),
                        .bins = std::nullopt,
                        .static_state = std::nullopt,
                        .units = std::nullopt,
                        .head = kernels::PackedLinear(fc_->weight, fc_->bias),
                        .encoder = std::move(encoder)};
  if (bins_) parts.bins.emplace(*bins_);
  if (static_state_) parts.static_state.emplace(static_state_->weight, static_state_->bias);
  if (head_) parts.units.emplace(head_->weight, head_->bias);
  return make_vitals_step(std::move(parts));
}

std::map<std::string, std::string> vitals_options(std::map<std::string, std::string> more) {
  more.insert(
      {{"hidden", "units of the state (64)"},
       {"dropout", "dropout before the head (0)"},
       {"bins",
        "quantile bins: the numbers beside the state also as their place among the training "
        "part's quantiles (0: none)"},
       {"pieces", "1: those numbers as one number a bin instead, a piecewise linear encoding (0)"},
       {"head", "rectified units between features and head (0: none)"}});
  more.merge(known_options());
  return more;
}

}  // namespace salus::models
