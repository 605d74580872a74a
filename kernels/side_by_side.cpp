#include "kernels/side_by_side.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

namespace salus::kernels {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 16;  // of a thread, at least

void check(const at::Tensor& tensor, const StripLayout& layout, const char* name) {
  TORCH_CHECK(tensor.is_cpu(), name, ": the tensor is on ", tensor.device(),
              "; it must be on the CPU.");
  TORCH_CHECK(tensor.dim() == 4, name, ": the tensor has ", tensor.dim(),
              " dimensions; it must have 4.");
  TORCH_CHECK(layout.images >= 0 && layout.width >= 0 && layout.slot >= layout.width &&
                  layout.per_strip >= 1,
              name, ": ", layout.per_strip, " images of width ", layout.width, " in slots of ",
              layout.slot, " is not a layout.");
}

at::Tensor empty_like(const at::Tensor& tensor, std::int64_t images, std::int64_t width) {
  return at::empty({images, tensor.size(1), tensor.size(2), width}, tensor.options(),
                   at::MemoryFormat::ChannelsLast);
}

/// Calls copy(offset in the images, offset in the strips) for every row of every slot; the first is
/// negative where there is no image. In bytes.
template <typename Copy>
void for_each_row(const at::Tensor& tensor, const StripLayout& layout, const Copy& copy) {
  const std::int64_t pixel = tensor.size(1) * tensor.element_size(), height = tensor.size(2);
  const std::int64_t row = layout.width * pixel, slot = layout.slot * pixel;
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrainBytes / std::max<std::int64_t>(1, row));
  const std::int64_t rows = layout.strips() * height * layout.per_strip;
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t strip = r / (height * layout.per_strip);
      const std::int64_t y = r / layout.per_strip % height;
      const std::int64_t image = strip * layout.per_strip + r % layout.per_strip;
      copy(image < layout.images ? (image * height + y) * row : -1, r * slot);
    }
  });
}

}  // namespace

at::Tensor side_by_side(const at::Tensor& x, const StripLayout& layout) {
  check(x, layout, "side_by_side");
  TORCH_CHECK(x.size(0) == layout.images && x.size(3) == layout.width,
              "side_by_side: the layout is of ", layout.images, " images of width ", layout.width,
              ", the tensor is ", x.sizes(), ".");
  const at::Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor out = empty_like(in, layout.strips(), layout.per_strip * layout.slot);
  const auto* from = static_cast<const char*>(in.const_data_ptr());
  auto* to = static_cast<char*>(out.mutable_data_ptr());
  const std::int64_t pixel = in.size(1) * in.element_size();
  const std::int64_t row = layout.width * pixel, slot = layout.slot * pixel;
  for_each_row(in, layout, [=](std::int64_t image, std::int64_t strip) {
    const std::int64_t filled = image < 0 ? 0 : row;
    std::memcpy(to + strip, from + std::max<std::int64_t>(0, image), filled);
    std::memset(to + strip + filled, 0, slot - filled);
  });
  return out;
}

at::Tensor take_apart(const at::Tensor& strips, const StripLayout& layout) {
  check(strips, layout, "take_apart");
  TORCH_CHECK(strips.size(0) == layout.strips() && strips.size(3) == layout.per_strip * layout.slot,
              "take_apart: the layout is of ", layout.strips(), " strips of width ",
              layout.per_strip * layout.slot, ", the tensor is ", strips.sizes(), ".");
  const at::Tensor in = strips.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor out = empty_like(in, layout.images, layout.width);
  const auto* from = static_cast<const char*>(in.const_data_ptr());
  auto* to = static_cast<char*>(out.mutable_data_ptr());
  const std::int64_t row = layout.width * in.size(1) * in.element_size();
  for_each_row(in, layout, [=](std::int64_t image, std::int64_t strip) {
    if (image >= 0) std::memcpy(to + image, from + strip, row);
  });
  return out;
}

}  // namespace salus::kernels
