#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace salus::measure {

/// Seconds of each call.
struct Times {
  std::vector<double> seconds;

  /// The value below which `fraction` of the calls lie (nearest rank). 0 without a call.
  double percentile(double fraction) const;
  double median() const { return percentile(0.5); }
};

/// Calls `work` once to warm up, then for at least `least_seconds` and 5 times, at most 10,000; on a
/// GPU each call is waited for.
Times time_calls(const std::function<void()>& work, const at::Device& device, double least_seconds);

/// Bytes a second that plain loads of all threads reach on a buffer of `bytes`, the best of several
/// tries: a limit is what the machine does when nothing disturbs it.
double read_bandwidth(std::int64_t bytes);

/// Bytes a second that copies of a large tensor read and write on a GPU.
double copy_bandwidth(const at::Device& device);

/// What figures were taken on, as JSON: processor, threads, load, versions, GPU.
std::string describe_machine(const at::Device& device);

}  // namespace salus::measure
