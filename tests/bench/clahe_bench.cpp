#include <torch/torch.h>

#include "kernels/clahe.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

/// The same values as in peers/clahe.py.
at::Tensor stored_pixels(int bits) {
  const auto index = at::arange(2048L * 2048, at::kLong);
  const std::int64_t mask = (std::int64_t{1} << bits) - 1;
  const auto values = (index * 2654435761L).bitwise_right_shift(7).bitwise_and(mask);
  return values.to(bits <= 8 ? at::kByte : at::kUInt16).view({2048, 2048});
}

}  // namespace

void bench_clahe(const Options& options) {
  const at::Tensor image = stored_pixels(options.bits).to(options.device);
  kernels::ClaheSpec spec;
  spec.bits = options.bits;
  const at::Tensor out = at::empty_like(image);
  const at::Tensor workspace =
      at::empty({kernels::clahe_workspace_bytes(image, spec)}, image.options().dtype(at::kByte));
  const bool gpu = options.device != "cpu";
  const auto work = [&] {
    kernels::clahe_out(image, spec, out, workspace);
    if (gpu) torch::cuda::synchronize();
  };
  work();
  const double top = static_cast<double>((std::int64_t{1} << options.bits) - 1);
  const auto values = out.cpu().to(at::kDouble) / top;
  const std::vector<double> check{values.mean().item<double>(), values.std().item<double>()};
  serve({{"check", check}}, 1, work);
}

}  // namespace salus::bench
