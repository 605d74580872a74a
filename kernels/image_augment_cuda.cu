#include <c10/core/ScalarType.h>

#include "kernels/image_augment.cuh"
#include "kernels/launch_cuda.h"

namespace salus::kernels {
namespace {

bool is_aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

template <typename T>
void launch_typed(int device, const AugmentBatch& batch, int count, const AugmentImage* plans,
                  const void* in, void* out) {
  const bool vectors = batch.image_size() % kPer128<T> == 0 && is_aligned(in) && is_aligned(out);
  launch(device, image_augment_shape(batch, count, kPer128<T>), image_augment_kernel<T>, batch,
         count, plans, static_cast<const T*>(in), static_cast<T*>(out), vectors);
}

void launch_image_augment(int device, int scalar, const AugmentBatch& batch, int count,
                          const AugmentImage* plans, const void* in, void* out) {
  switch (static_cast<c10::ScalarType>(scalar)) {
    case c10::ScalarType::Half:
      return launch_typed<Half>(device, batch, count, plans, in, out);
    case c10::ScalarType::BFloat16:
      return launch_typed<BFloat16>(device, batch, count, plans, in, out);
    default:
      return launch_typed<float>(device, batch, count, plans, in, out);
  }
}

const CudaRegistration<ImageAugmentLaunch> registration{"image_augment", &launch_image_augment};

}  // namespace
}  // namespace salus::kernels
