#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/round.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <limits>

#include "kernels/similarity.h"

namespace salus::kernels {

QuantizedRows similarity_quantize(const at::Tensor& rows) {
  TORCH_CHECK(rows.defined() && rows.dim() == 2 && rows.is_contiguous() &&
                  (rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kHalf ||
                   rows.scalar_type() == at::kBFloat16),
              "similarity_quantize: rows must be contiguous float32, float16 or bfloat16 [N, D].");
  TORCH_CHECK(rows.size(1) >= 1, "similarity_quantize: rows have no values.");
  constexpr std::int64_t kAtOnce = 8192;  // rows in float32 at a time: a bounded working memory
  const auto on = at::TensorOptions().device(rows.device());
  // A tensor, not a number: ATen on CUDA would multiply by a rounded 1 / 127 instead.
  const at::Tensor steps = at::full({1}, 127.0, on.dtype(at::kFloat));
  const at::Tensor nan = at::full({1}, std::numeric_limits<double>::quiet_NaN(), steps.options());
  QuantizedRows out{at::empty(rows.sizes(), on.dtype(at::kChar)),
                    at::empty({rows.size(0)}, on.dtype(at::kFloat))};
  for (std::int64_t begin = 0; begin < rows.size(0); begin += kAtOnce) {
    const std::int64_t end = std::min(begin + kAtOnce, rows.size(0));
    const at::Tensor values = rows.slice(0, begin, end).to(at::kFloat);
    const at::Tensor largest = at::amax(at::abs(values), {1});
    const at::Tensor scales = at::where(at::isfinite(largest), at::div(largest, steps), nan);
    // A scale of 0 or NaN gives quotients that are not finite: stored as 0.
    const at::Tensor stored =
        at::round(at::nan_to_num(at::div(values, scales.unsqueeze(1)), 0.0, 0.0, 0.0));
    out.rows.slice(0, begin, end).copy_(stored.clamp(-127, 127));
    out.scales.slice(0, begin, end).copy_(scales);
  }
  return out;
}

}  // namespace salus::kernels
