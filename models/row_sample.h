#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstdint>
#include <vector>

namespace salus::models {

/// Keeps every k-th of the rows that it is given, k a power of two that grows as they become many: all
/// of at most `enough` rows, of more at least half of `enough` and at most `enough`.
class RowSample {
 public:
  explicit RowSample(std::int64_t enough) : enough_(enough) {}

  /// \param rows  [R, F].
  void add(const at::Tensor& rows);
  /// [kept, F]. \throws c10::Error if none was added.
  at::Tensor rows() const { return at::cat(kept_); }

 private:
  std::int64_t enough_, every_ = 1, seen_ = 0, size_ = 0;
  std::vector<at::Tensor> kept_;
};

}  // namespace salus::models
