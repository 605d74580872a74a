#include "kernels/clahe.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels {
namespace {

bool is_aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

template <typename T>
void launch_typed(int device, const ClahePlan& plan, const void* in, void* out, void* workspace) {
  const auto* images = static_cast<const T*>(in);
  auto* to = static_cast<T*>(out);
  auto* tables = static_cast<std::uint16_t*>(workspace);
  const auto stride = static_cast<std::int64_t>(clahe_image_workspace(plan) / 2);
  const bool vectors = plan.width % kPer128<T> == 0 && is_aligned(in) && is_aligned(out);
  launch(device, clahe_table_shape(plan), clahe_table_kernel<T>, plan, images, tables, stride,
         vectors);
  auto* kernel = clahe_apply_kernel<T, true>;
  if constexpr (8 * sizeof(T) > kMostQuadBits) {
    if (plan.bits > kMostQuadBits) kernel = clahe_apply_kernel<T, false>;
  }
  launch(device, clahe_apply_shape(plan), kernel, plan, ClaheParts::of(plan), images, to, tables,
         stride, vectors);
}

void launch_clahe(int device, const ClahePlan& plan, int bytes, const void* in, void* out,
                  void* workspace) {
  if (bytes == 1) {
    launch_typed<std::uint8_t>(device, plan, in, out, workspace);
  } else {
    launch_typed<std::uint16_t>(device, plan, in, out, workspace);
  }
}

const CudaRegistration<ClaheLaunch> registration{"clahe", &launch_clahe};

}  // namespace
}  // namespace salus::kernels
