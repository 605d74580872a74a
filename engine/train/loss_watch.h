#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace salus::train {

/// Sums the loss of an epoch and looks for NaN, without waiting for a GPU at every batch: there the
/// losses are looked at 32 at a time, and before anything is saved.
class LossWatch {
 public:
  /// \param name_of  what a sample is called in an error, by its position.
  LossWatch(const at::Device& device, std::function<std::string(std::int64_t)> name_of);

  /// \param loss  scalar, the batch's mean. \throws Error as check() does.
  void add(const at::Tensor& loss, const std::vector<std::int64_t>& positions, std::int64_t epoch,
           std::int64_t batch);

  /// \throws Error naming epoch, batch, and its samples by position and name, if a loss since the
  ///         last check is NaN or infinite.
  void check();

  /// Mean loss over the samples since reset(), NaN if there were none. Waits for the device.
  double mean() const;
  void reset();

  /// Sum of losses and number of samples, float64 [2] on the device: for checkpoints.
  const at::Tensor& sums() const { return sums_; }
  void set_sums(const at::Tensor& sums) { sums_.copy_(sums); }

 private:
  struct Entry {
    at::Tensor loss;
    std::vector<std::int64_t> positions;
    std::int64_t epoch, batch;
  };
  std::function<std::string(std::int64_t)> name_of_;
  std::size_t most_;
  std::vector<Entry> pending_;
  at::Tensor sums_;
};

}  // namespace salus::train
