#include "models/row_wise.h"

namespace salus::models {

at::Tensor linear_by_row(torch::nn::Linear& linear, const at::Tensor& x) {
  if (at::GradMode::is_enabled() || x.size(0) == 0) return linear->forward(x);
  std::vector<at::Tensor> rows;
  for (const at::Tensor& row : x.split(1)) {
    // A copy, because the product also depends on how its operands are aligned.
    rows.push_back(linear->forward(row.clone()));
  }
  return at::cat(rows);
}

}  // namespace salus::models
