#include "engine/core/batch.h"

namespace salus {

Batch repeated(const Batch& one, std::int64_t count) {
  TORCH_CHECK(one.size() == 1, "a batch of one can be repeated, not of ", one.size());
  Batch out;
  for (const auto& [name, tensor] : one.inputs) {
    auto shape = tensor.sizes().vec();
    shape[0] = count;
    out.inputs[name] = tensor.expand(shape);
  }
  out.ids.assign(static_cast<std::size_t>(count), one.ids[0]);
  return out;
}

}  // namespace salus
