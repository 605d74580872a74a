#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/measure/times.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

/// Best of several tries: a limit is what the machine does when nothing disturbs it.
template <typename F>
double best_seconds(F work) {
  work();
  double best = 1e9;
  for (int i = 0; i < 7; ++i) {
    const double start = now();
    work();
    best = std::min(best, now() - start);
  }
  return best;
}

/// FLOP/s of a large matrix product.
double matrix_rate(at::ScalarType type, const std::string& device) {
  constexpr std::int64_t kSide = 2048;
  const auto options = at::TensorOptions(type).device(at::Device(device));
  const auto a = at::ones({kSide, kSide}, options), b = at::ones({kSide, kSide}, options);
  auto out = at::empty({kSide, kSide}, options);
  const double seconds = best_seconds([&] {
    at::mm_out(out, a, b);
    if (device != "cpu") torch::cuda::synchronize();
  });
  return 2.0 * kSide * kSide * kSide / seconds;
}

}  // namespace

void print_limits(const Options& options) {
  const nlohmann::json out = {
      {"memory_bytes_per_second", measure::read_bandwidth(std::int64_t{1} << 28)},
      {"cache_bytes_per_second", measure::read_bandwidth(std::int64_t{8} << 20)},
      {"float32_flops", matrix_rate(at::kFloat, options.device)},
      {"bfloat16_flops", matrix_rate(at::kBFloat16, options.device)}};
  std::cout << out.dump() << std::endl;
}

}  // namespace salus::bench
