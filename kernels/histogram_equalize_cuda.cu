#include "kernels/histogram_equalize.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels {
namespace {

bool is_aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

void clear_counts(int device, const EqualizePlan& plan, unsigned* counts) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  C10_CUDA_CHECK(
      cudaMemsetAsync(counts, 0, equalize_counts_bytes(plan), c10::cuda::getCurrentCUDAStream()));
}

template <typename T>
void launch_typed(int device, const EqualizePlan& plan, const void* in, void* out,
                  void* workspace) {
  const auto* images = static_cast<const T*>(in);
  auto* counts = static_cast<unsigned*>(workspace);
  auto* tables = reinterpret_cast<std::uint16_t*>(static_cast<unsigned char*>(workspace) +
                                                  equalize_counts_bytes(plan));
  const bool vectors = plan.pixels % kPer128<T> == 0 && is_aligned(in) && is_aligned(out);
  const int stretch = equalize_stretch(plan);
  clear_counts(device, plan, counts);
  launch(device, equalize_count_shape(plan), equalize_count_kernel<T>, plan, stretch, images,
         counts, vectors);
  launch(device, equalize_table_shape(plan), equalize_table_kernel, plan, counts, tables);
  auto* kernel = equalize_apply_kernel<T, true>;
  if constexpr (8 * sizeof(T) > kMostTableBits) {
    if (plan.bits > kMostTableBits) kernel = equalize_apply_kernel<T, false>;
  }
  launch(device, equalize_apply_shape(plan), kernel, plan, stretch, images, static_cast<T*>(out),
         tables, vectors);
}

void launch_histogram_equalize(int device, const EqualizePlan& plan, int bytes, const void* in,
                               void* out, void* workspace) {
  if (bytes == 1) {
    launch_typed<std::uint8_t>(device, plan, in, out, workspace);
  } else {
    launch_typed<std::uint16_t>(device, plan, in, out, workspace);
  }
}

const CudaRegistration<EqualizeLaunch> registration{"histogram_equalize",
                                                    &launch_histogram_equalize};

}  // namespace
}  // namespace salus::kernels
