#include "engine/measure/times.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/train/environment.h"

namespace salus::measure {
namespace {

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

void wait_for(const at::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

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

}  // namespace

double Times::percentile(double fraction) const {
  if (seconds.empty()) return 0;
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<std::size_t>(std::ceil(fraction * sorted.size()));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

Times time_calls(const std::function<void()>& work, const at::Device& device,
                 double least_seconds) {
  constexpr std::size_t kFewest = 5, kMost = 10000;
  work();  // caches, page faults, lazily loaded code
  wait_for(device);
  Times times;
  const double begin = now();
  for (double start = begin; times.seconds.size() < kMost;) {
    work();
    wait_for(device);
    const double end = now();
    times.seconds.push_back(end - start);
    start = end;
    if (end - begin >= least_seconds && times.seconds.size() >= kFewest) break;
  }
  return times;
}

double read_bandwidth(std::int64_t bytes) {
  const auto buffer = at::ones({bytes / 8}, at::kLong);
  const auto* words = buffer.const_data_ptr<std::int64_t>();
  const std::int64_t passes = std::max<std::int64_t>(1, (std::int64_t{1} << 28) / bytes);
  volatile std::int64_t sink = 0;
  const double seconds = best_seconds([&] {
    at::parallel_for(0, bytes / 8, 1, [&](std::int64_t begin, std::int64_t end) {
      using Words = std::int64_t __attribute__((vector_size(64), aligned(8)));
      Words a{}, b{}, c{}, d{};
      for (std::int64_t pass = 0; pass < passes; ++pass) {
        for (std::int64_t i = begin; i + 32 <= end; i += 32) {
          a ^= *reinterpret_cast<const Words*>(words + i);
          b ^= *reinterpret_cast<const Words*>(words + i + 8);
          c ^= *reinterpret_cast<const Words*>(words + i + 16);
          d ^= *reinterpret_cast<const Words*>(words + i + 24);
        }
        asm volatile("" ::: "memory");  // each pass reads again
      }
      sink = (a ^ b ^ c ^ d)[0];
    });
  });
  return static_cast<double>(bytes * passes) / seconds;
}

double copy_bandwidth(const at::Device& device) {
  const auto options = at::TensorOptions(at::kByte).device(device);
  const auto from = at::zeros({std::int64_t{1} << 30}, options);
  const auto to = at::empty_like(from);
  const double seconds = best_seconds([&] {
    at::Tensor(to).copy_(from);
    wait_for(device);
  });
  return 2.0 * static_cast<double>(from.nbytes()) / seconds;
}

std::string describe_machine(const at::Device& device) {
  auto json = nlohmann::ordered_json::parse(
      train::describe_environment("", device.str(), "", /*fast_dev_run=*/false));
  for (const char* key : {"git_revision", "data_sha256", "fast_dev_run"}) json.erase(key);
  double load[1] = {};
  if (getloadavg(load, 1) == 1) json["load"] = load[0];
  return json.dump();
}

}  // namespace salus::measure
