#include "models/vitals/stays.h"

#include <algorithm>

namespace salus::models {
namespace {

const at::Tensor& input(const Batch& batch, const char* name) {
  const auto found = batch.inputs.find(name);
  TORCH_CHECK(found != batch.inputs.end(), "a model of vital signs needs the input '", name, "'");
  return found->second;
}

at::Tensor known_statics(const Batch& batch, std::int64_t statics, const at::Tensor& values) {
  if (statics == 0) return values.new_zeros({values.size(0), 0});
  const at::Tensor& given = input(batch, "static");
  TORCH_CHECK(given.dim() == 2 && given.size(0) == values.size(0) && given.size(1) == statics,
              "the input 'static' is ", given.sizes(), ", but must be [", values.size(0), ", ",
              statics, "].");
  return given.masked_fill(given.isnan(), 0);
}

}  // namespace

Stays stays_of(const Batch& batch, std::int64_t statics, bool training) {
  Stays stays{input(batch, "values"),
              input(batch, "mask"),
              input(batch, "delta"),
              input(batch, "length"),
              {}};
  TORCH_CHECK(stays.values.dim() == 3, "the input 'values' must be [N, T, D], not ",
              stays.values.sizes());
  stays.statics = known_statics(batch, statics, stays.values);
  if (!training) return stays;
  const auto longest = std::max<std::int64_t>(1, stays.length.max().item<std::int64_t>());
  for (at::Tensor* tensor : {&stays.values, &stays.mask, &stays.delta}) {
    *tensor = tensor->narrow(1, 0, std::min(longest, tensor->size(1)));
  }
  return stays;
}

at::Tensor within(const Stays& stays) {
  const auto steps = at::arange(stays.values.size(1), stays.length.options());
  return steps.unsqueeze(0).lt(stays.length.unsqueeze(1)).to(stays.values.device());
}

at::Tensor seen(const Stays& stays) {
  return stays.mask.ne(0).logical_and(within(stays).unsqueeze(2));
}

at::Tensor series_of(const Stays& stays) {
  return at::cat({stays.values, stays.mask, stays.delta.log1p()}, 2);
}

}  // namespace salus::models
