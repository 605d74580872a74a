#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace salus {

/// Named inputs of N cases, their ids and, when known, their target.
///
/// inputs: "image" float [N, C, H, W]; vitals "values", "mask", "delta" [N, T, D], "length" [N],
/// "static" [N, S]; tables "features" [N, F] with NaN for missing.
/// target: float32 [N, L], or [N, T, L] with labels for each step of a stay; binary and multilabel
/// 0/1, multiclass one-hot, regression the value; NaN = not known (masked in loss and metrics).
/// Undefined when nothing is known.
struct Batch {
  std::map<std::string, at::Tensor> inputs;
  std::vector<std::string> ids;
  at::Tensor target;

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
};

/// A batch of one, `count` times over, without its target. The inputs share memory: do not write to
/// them.
Batch repeated(const Batch& one, std::int64_t count);

}  // namespace salus
