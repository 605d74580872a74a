#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "engine/core/batch.h"
#include "engine/core/task.h"

namespace salus {

/// What an Estimator is fitted to.
struct EstimatorFit {
  /// One batch after the other, false after the last.
  using Batches = std::function<bool(Batch& batch)>;

  Task task;
  std::uint64_t seed = 0;
  int threads = 1;
  std::int64_t most_rounds = 0;  ///< 0 = as many as the model's options say
  Batches train, valid;
  /// How good the validation part's logits [R, L] for its targets [R, L] are, NaN = not known: larger is
  /// better. Picks the best round.
  std::function<double(const at::Tensor& logits, const at::Tensor& targets)> judge;
  /// Told of every round after it was judged; true = stop.
  std::function<bool(std::int64_t round)> report;
};

/// A Model that is fitted to all of its training cases at once, in rounds, and not by gradients (boosted
/// trees). Its buffers hold what it has learnt.
class Estimator {
 public:
  virtual ~Estimator() = default;

  /// \returns the round up to which it keeps what it has learnt; -1 if it was stopped.
  /// \throws Error if the training part has nothing to learn from.
  virtual std::int64_t fit(const EstimatorFit& fit) = 0;
};

}  // namespace salus
