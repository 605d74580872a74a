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

constexpr double kLong = 0.25;  ///< seconds of one product that is large enough

/// Best of several tries: a limit is what the machine does when nothing disturbs it.
template <typename F>
double best_seconds(F work) {
  work();
  double best = 1e9;
  for (int i = 0; i < 7 && (i == 0 || best < kLong); ++i) {
    const double start = now();
    work();
    best = std::min(best, now() - start);
  }
  return best;
}

/// FLOP/s of a matrix product of `side`.
double matrix_rate(at::ScalarType type, const std::string& device, std::int64_t side) {
  const auto options = at::TensorOptions(type).device(at::Device(device));
  const auto a = at::ones({side, side}, options), b = at::ones({side, side}, options);
  auto out = at::empty({side, side}, options);
  const double seconds = best_seconds([&] {
    at::mm_out(out, a, b);
    if (device != "cpu") torch::cuda::synchronize();
  });
  return 2.0 * static_cast<double>(side) * side * side / seconds;
}

/// Of the largest product that is made in reasonable time: a processor without bfloat16 takes minutes
/// for what another does in a moment.
double matrix_rate(at::ScalarType type, const std::string& device) {
  double rate = 0;
  for (const std::int64_t side : {256, 512, 1024, 2048}) {
    rate = std::max(rate, matrix_rate(type, device, side));
    if (8 * 2.0 * static_cast<double>(side) * side * side / rate > kLong) break;
  }
  return rate;
}

}  // namespace

void print_limits(const Options& options) {
  const double float32 = matrix_rate(at::kFloat, options.device);
  // What is stored in bfloat16 may be multiplied in float32.
  const double bfloat16 = std::max(float32, matrix_rate(at::kBFloat16, options.device));
  const nlohmann::json out = {
      {"memory_bytes_per_second", measure::read_bandwidth(std::int64_t{1} << 28)},
      {"cache_bytes_per_second", measure::read_bandwidth(std::int64_t{8} << 20)},
      {"float32_flops", float32},
      {"bfloat16_flops", bfloat16}};
  std::cout << out.dump() << std::endl;
}

}  // namespace salus::bench
