#include "models/image/scale_shift_relu.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <bit>
#include <cstdint>

// The loops below are compiled once per instruction set and chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SALUS_CLONES __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define SALUS_CLONES
#endif

namespace salus::models {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // values per thread, at least

SALUS_CLONES void run_float(const float* x, const float* scale, const float* shift, float* y,
                            std::int64_t pixels, std::int64_t channels) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float v = x[c] * scale[c] + shift[c];
      y[c] = v < 0 ? 0 : v;
    }
  }
}

// bfloat16 is the upper half of a float32; rounded to nearest, ties to even. A NaN keeps its sign
// and gets a mantissa that cannot round to infinity.
SALUS_CLONES void run_bfloat16(const std::uint16_t* x, const float* scale, const float* shift,
                               std::uint16_t* y, std::int64_t pixels, std::int64_t channels) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float in = std::bit_cast<float>(static_cast<std::uint32_t>(x[c]) << 16);
      const float v = in * scale[c] + shift[c];
      const float kept = v < 0 ? 0 : v;
      const auto bits = std::bit_cast<std::uint32_t>(kept);
      const std::uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
      y[c] = static_cast<std::uint16_t>(kept != kept ? (bits >> 16) | 0x40 : rounded);
    }
  }
}

}  // namespace

at::Tensor scale_shift_relu(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
  const bool bfloat16 = x.scalar_type() == at::kBFloat16;
  if (!x.is_cpu() || !(bfloat16 || x.scalar_type() == at::kFloat)) {
    const at::Tensor y = at::addcmul(shift.view({1, -1, 1, 1}), x, scale.view({1, -1, 1, 1}));
    return y.to(x.scalar_type()).relu_();
  }
  const at::Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor out = at::empty_like(in);
  const std::int64_t channels = x.size(1), pixels = x.size(0) * x.size(2) * x.size(3);
  const float* a = scale.const_data_ptr<float>();
  const float* b = shift.const_data_ptr<float>();
  const auto grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, channels));
  at::parallel_for(0, pixels, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t offset = begin * channels;
    if (bfloat16) {
      run_bfloat16(static_cast<const std::uint16_t*>(in.const_data_ptr()) + offset, a, b,
                   static_cast<std::uint16_t*>(out.mutable_data_ptr()) + offset, end - begin,
                   channels);
    } else {
      run_float(in.const_data_ptr<float>() + offset, a, b, out.mutable_data_ptr<float>() + offset,
                end - begin, channels);
    }
  });
  return out;
}

}  // namespace salus::models
