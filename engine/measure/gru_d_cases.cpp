#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "engine/measure/kernel_cases.h"
#include "kernels/gru_d.h"
#include "kernels/gru_d_cost.h"

namespace salus::measure {
namespace {

at::Tensor waves(at::IntArrayRef shape, double amplitude, const at::Device& device) {
  std::int64_t count = 1;
  for (const auto size : shape) count *= size;
  const auto values = (at::arange(count, at::kDouble) * 0.37).sin() * amplitude;
  return values.to(at::kFloat).view(shape).to(device);
}

struct Series {
  kernels::GruDInput input;
  kernels::GruDParameters parameters;

  /// n series of t steps, d variables, h units.
  Series(std::int64_t n, std::int64_t t, std::int64_t d, std::int64_t h, const at::Device& device) {
    input.values = waves({n, t, d}, 1, device);
    input.mask = (input.values > 0).to(at::kFloat);
    input.delta = waves({n, t, d}, 1, device).abs();
    input.length = at::full({n}, t, at::kLong).to(device);
    input.mean = waves({d}, 0, device);
    input.initial = waves({n, h}, 0.1, device);
    parameters = {waves({d}, 0.5, device),
                  waves({d}, 0.1, device),
                  waves({h, d}, 0.1, device),
                  waves({h}, 0.1, device),
                  waves({3 * h, 2 * d}, 0.1, device),
                  waves({3 * h, h}, 0.1, device),
                  waves({3 * h}, 0.1, device),
                  waves({3 * h}, 0.1, device)};
  }
};

KernelCase forward_case(const std::string& problem, std::int64_t n, std::int64_t t, std::int64_t d,
                        std::int64_t h) {
  KernelCase made{problem, {}, {}};
  made.cost = kernels::gru_d_forward_cost({n, t, d, h});
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const Series series(n, t, d, h, device);
    return [=] { kernels::gru_d_forward(series.input, series.parameters, /*save=*/true); };
  };
  return made;
}

KernelCase backward_case(const std::string& problem, std::int64_t n, std::int64_t t, std::int64_t d,
                         std::int64_t h) {
  KernelCase made{problem, {}, {}};
  made.cost = kernels::gru_d_backward_cost({n, t, d, h});
  made.prepare = [=](const at::Device& device) -> std::function<void()> {
    const Series series(n, t, d, h, device);
    const auto forward = kernels::gru_d_forward(series.input, series.parameters, /*save=*/true);
    const auto grad_hidden = waves({n, t, h}, 0.1, device), grad_last = waves({n, h}, 0.1, device);
    return [=] {
      kernels::gru_d_backward(series.input, series.parameters, forward.saved, grad_hidden,
                              grad_last,
                              /*want_values=*/false, /*want_delta=*/false);
    };
  };
  return made;
}

}  // namespace

std::vector<KernelCase> gru_d_cases() {
  return {forward_case("forward, 128 x 48 x 37, 64 units, float32", 128, 48, 37, 64),
          forward_case("forward, 1024 x 48 x 37, 128 units, float32", 1024, 48, 37, 128),
          forward_case("forward, 128 x 48 x 37, 256 units, float32", 128, 48, 37, 256),
          backward_case("backward, 128 x 48 x 37, 64 units, float32", 128, 48, 37, 64),
          backward_case("backward, 128 x 48 x 37, 256 units, float32", 128, 48, 37, 256)};
}

}  // namespace salus::measure
