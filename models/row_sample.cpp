#include "models/row_sample.h"

#include <ATen/TensorIndexing.h>

namespace salus::models {
namespace {

at::Tensor every(const at::Tensor& rows, std::int64_t first, std::int64_t k) {
  return rows.slice(0, first, rows.size(0), k).clone();
}

}  // namespace

void RowSample::add(const at::Tensor& rows) {
  const std::int64_t first = (every_ - seen_ % every_) % every_;
  seen_ += rows.size(0);
  if (first >= rows.size(0)) return;
  kept_.push_back(every(rows, first, every_));
  size_ += kept_.back().size(0);
  while (size_ > enough_) {
    kept_ = {every(at::cat(kept_), 0, 2)};
    size_ = kept_[0].size(0);
    every_ *= 2;
  }
}

}  // namespace salus::models
