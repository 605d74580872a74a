#include "kernels/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panels_cpu.cpp"
// Tiles are arrays of vectors, which these instruction sets cannot have.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

// Panels after the vectors they are made of.
// clang-format off
#include "kernels/vector_math-inl.h"
#include "kernels/panels-inl.h"
// clang-format on

void multiply_rows(std::int64_t rows, const float* x, std::int64_t x_row, const Panels& panels,
                   const float* bias, float* y) {
  multiply_weights(x, x_row, rows, panels, bias, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(multiply_rows);

void multiply_panels_cpu(std::int64_t rows, const float* x, std::int64_t x_row,
                         const Panels& panels, const float* bias, float* y) {
  HWY_DYNAMIC_DISPATCH(multiply_rows)(rows, x, x_row, panels, bias, y);
}

}  // namespace salus::kernels
#endif
