#include "engine/explain/integrated_gradients.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "engine/io/error.h"

namespace salus::explain {
namespace {

constexpr std::int64_t kFewest = 32, kMost = 1024, kAtOnce = 32;
constexpr double kGap = 0.01, kTiny = 1e-4;

/// The stay at shares [P] of the way from the baseline, a case each.
Batch on_the_line(const Batch& stay, const at::Tensor& shares) {
  Batch line = repeated(stay, shares.size(0));
  for (auto& [name, tensor] : line.inputs) tensor = tensor.contiguous();
  line.inputs["values"] = stay.inputs.at("values") * shares.view({-1, 1, 1});
  line.inputs["static"] = stay.inputs.at("static") * shares.view({-1, 1});
  return line;
}

/// The stay on the model's device, with static covariates that are known (0, the mean, where they are
/// not).
Batch prepared(Model& model, const Batch& stay) {
  const auto parameters = model.parameters();
  const at::Device device = parameters.empty() ? at::kCPU : parameters[0].device();
  Batch out = stay;
  for (auto& [name, tensor] : out.inputs) tensor = tensor.to(device);
  const auto statics = out.inputs.find("static");
  if (statics == out.inputs.end()) {
    out.inputs["static"] = at::zeros({1, 0}, out.inputs.at("values").options());
  } else {
    statics->second = at::nan_to_num(statics->second);
  }
  return out;
}

/// cuDNN differentiates recurrent networks in training mode only.
class WithoutCudnn {
 public:
  WithoutCudnn() : was_on_(at::globalContext().userEnabledCuDNN()) {
    at::globalContext().setUserEnabledCuDNN(false);
  }
  ~WithoutCudnn() { at::globalContext().setUserEnabledCuDNN(was_on_); }
  WithoutCudnn(const WithoutCudnn&) = delete;
  WithoutCudnn& operator=(const WithoutCudnn&) = delete;

 private:
  bool was_on_;
};

/// Scores and gradients of one output of one stay.
class Line {
 public:
  Line(Model& model, const Batch& stay, std::int64_t label, std::int64_t step)
      : model_(model), stay_(stay), label_(label), step_(step) {}

  /// The stay at one share of the way.
  Batch at_share(double share) const {
    return on_the_line(stay_, at::full({1}, share, stay_.inputs.at("values").options()));
  }

  double logit(double share) const {
    const at::NoGradGuard no_grad;
    return score(at_share(share)).item<double>();
  }

  /// Mean gradients at `points` midpoints: of values [T, D] and statics [S].
  std::pair<at::Tensor, at::Tensor> mean_gradient(std::int64_t points) const {
    const auto& x = stay_.inputs.at("values");
    at::Tensor values = at::zeros(x.sizes().slice(1), x.options());
    at::Tensor statics = at::zeros(stay_.inputs.at("static").sizes().slice(1), x.options());
    const auto shares = (at::arange(points, x.options()) + 0.5) / static_cast<double>(points);
    for (std::int64_t begin = 0; begin < points; begin += kAtOnce) {
      Batch line = on_the_line(stay_, shares.slice(0, begin, begin + kAtOnce));
      at::AutoGradMode gradients(true);
      const at::Tensor& v = line.inputs["values"].requires_grad_(true);
      const at::Tensor& s = line.inputs["static"].requires_grad_(true);
      const auto found = torch::autograd::grad({score(line).sum()}, {v, s}, {}, false, false,
                                               /*allow_unused=*/true);
      if (found[0].defined()) values += found[0].sum(0);
      if (found[1].defined()) statics += found[1].sum(0);
    }
    return {values / static_cast<double>(points), statics / static_cast<double>(points)};
  }

 private:
  at::Tensor score(const Batch& batch) const {
    const at::Tensor logits = model_.forward(batch);
    const at::Tensor rows = logits.dim() == 3 ? logits.select(1, step_) : logits;
    if (label_ >= 0 && label_ < rows.size(1)) return rows.select(1, label_);
    throw Error(fmt::format("The model has outputs 0 to {}, not {}.", rows.size(1) - 1, label_));
  }

  Model& model_;
  const Batch& stay_;
  std::int64_t label_, step_;
};

/// A stay without steps is scored as at step 0, where nothing was measured.
std::int64_t checked_step(const Batch& stay, std::optional<std::int64_t> step) {
  const auto last = std::max<std::int64_t>(stay.inputs.at("length").item<std::int64_t>(), 1) - 1;
  if (!step) return last;
  if (*step >= 0 && *step <= last) return *step;
  throw Error(fmt::format("The stay has steps 0 to {}, not {}.", last, *step));
}

}  // namespace

StayAttribution integrated_gradients(Model& model, const Batch& given, std::int64_t label,
                                     std::optional<std::int64_t> step) {
  TORCH_CHECK(given.size() == 1, "one stay is explained at a time");
  const Batch stay = prepared(model, given);
  const WithoutCudnn differentiable;
  StayAttribution out;
  out.step = checked_step(stay, step);
  const Line line(model, stay, label, out.step);
  out.logit = line.logit(1);
  out.baseline = line.logit(0);
  model.prepare_line(line.at_share(0), line.at_share(1));
  const double difference = out.logit - out.baseline;
  for (std::int64_t points = kFewest; points <= kMost; points *= 2) {
    const auto [values, statics] = line.mean_gradient(points);
    out.values = (values * stay.inputs.at("values")[0]).cpu();
    out.statics = (statics * stay.inputs.at("static")[0]).cpu();
    out.gap = difference - (out.values.sum() + out.statics.sum()).item<double>();
    if (std::abs(out.gap) <= std::max(kGap * std::abs(difference), kTiny)) break;
  }
  return out;
}

}  // namespace salus::explain
