// The vectors of image_augment_cpu.cpp: rows of pixels in, rows of float32 through, rows out.
//
// No include guard: part of image_augment_cpu.cpp, once per Highway target.

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DU = hn::RebindToUnsigned<D>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VU = hn::Vec<DU>;

constexpr std::int64_t kRowSlack = 16;        // rows are worked on in whole vectors
constexpr std::int64_t kNoiseSlack = 4 * 16;  // a vector of blocks is four vectors of noise

/// The arithmetic of random_formula-inl.h on vectors; its scalar twin is ScalarMath in philox.h.
struct VectorMath {
  static HWY_INLINE VU word(std::uint32_t v) { return hn::Set(DU(), v); }
  static HWY_INLINE V real(float v) { return hn::Set(D(), v); }
  static HWY_INLINE VU bits(V v) { return hn::BitCast(DU(), v); }
  static HWY_INLINE V from_bits(VU v) { return hn::BitCast(D(), v); }
#if HWY_TARGET == HWY_SCALAR
  static HWY_INLINE void multiply(VU a, std::uint32_t b, VU& high, VU& low) {
    const std::uint64_t product = std::uint64_t{hn::GetLane(a)} * b;
    high = word(static_cast<std::uint32_t>(product >> 32));
    low = word(static_cast<std::uint32_t>(product));
  }
#else
  static HWY_INLINE void multiply(VU a, std::uint32_t b, VU& high, VU& low) {
    const hn::RepartitionToWide<DU> wide;
    const VU factor = hn::Set(DU(), b);
    const auto even = hn::MulEven(a, factor);
    const auto odd =
        hn::MulEven(hn::BitCast(DU(), hn::ShiftRight<32>(hn::BitCast(wide, a))), factor);
    low = hn::OddEven(hn::BitCast(DU(), hn::ShiftLeft<32>(odd)), hn::BitCast(DU(), even));
    high = hn::OddEven(hn::BitCast(DU(), odd), hn::BitCast(DU(), hn::ShiftRight<32>(even)));
  }
#endif
  static HWY_INLINE VU sum(VU a, VU b) { return hn::Add(a, b); }
  static HWY_INLINE VU subtract(VU a, VU b) { return hn::Sub(a, b); }
  static HWY_INLINE VU bit_and(VU a, VU b) { return hn::And(a, b); }
  static HWY_INLINE VU exclusive_or(VU a, VU b) { return hn::Xor(a, b); }
  template <int kBits>
  static HWY_INLINE VU shift_left(VU a) {
    return hn::ShiftLeft<kBits>(a);
  }
  template <int kBits>
  static HWY_INLINE VU shift_right(VU a) {
    return hn::ShiftRight<kBits>(a);
  }
  template <int kBits>
  static HWY_INLINE VU arithmetic_shift(VU a) {
    return hn::BitCast(DU(), hn::ShiftRight<kBits>(hn::BitCast(DI(), a)));
  }
  static HWY_INLINE V from_signed(VU a) { return hn::ConvertTo(D(), hn::BitCast(DI(), a)); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static HWY_INLINE V min(V a, V b) { return hn::Min(a, b); }
  static HWY_INLINE V max(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V sqrt(V a) { return hn::Sqrt(a); }
};

#define SALUS_FORMULA HWY_INLINE
#include "kernels/random_formula-inl.h"
#undef SALUS_FORMULA

#include "kernels/vector_io-inl.h"

// Only where the conversion is an instruction, which rounds to nearest; elsewhere scalars do it.
#if HWY_TARGET <= HWY_AVX2 || HWY_ARCH_ARM
constexpr bool kVectorHalf = true;
#else
constexpr bool kVectorHalf = false;
#endif

HWY_INLINE V load_as_float(D, const Half* from) {
  const hn::Rebind<hwy::float16_t, D> stored;
  return hn::PromoteTo(D(), hn::LoadU(stored, reinterpret_cast<const hwy::float16_t*>(from)));
}

HWY_INLINE void store_from_float(D, V v, Half* to) {
  const hn::Rebind<hwy::float16_t, D> stored;
  hn::StoreU(hn::DemoteTo(stored, v), stored, reinterpret_cast<hwy::float16_t*>(to));
}

template <typename T>
constexpr bool kVectorised = !std::is_same_v<T, Half> || kVectorHalf;

template <typename T>
void load_row(const T* from, std::int64_t stride, std::int64_t count, float* row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t x = 0;
  if (kVectorised<T> && stride == 1) {
    for (; x + lanes <= count; x += lanes) hn::StoreU(load_as_float(D(), from + x), D(), row + x);
  }
  for (; x < count; ++x) row[x] = to_float(from[x * stride]);
}

template <typename T>
void store_row(const float* row, std::int64_t count, T* to, std::int64_t stride) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t x = 0;
  if (kVectorised<T> && stride == 1) {
    for (; x + lanes <= count; x += lanes) store_from_float(D(), hn::LoadU(D(), row + x), to + x);
  }
  for (; x < count; ++x) to[x * stride] = from_float<T>(row[x]);
}

/// Bilinear values of output row `y`. `plane` has one pixel of border before and two after, so that
/// a position clamped to [-1, size] needs no test: there all its neighbours with weight are border.
void sample_row(const float* plane, const AugmentBatch& batch, const AugmentImage& image, int y,
                float* row) {
  const D d;
  const DI di;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const V last_x = hn::Set(d, static_cast<float>(batch.width));
  const V last_y = hn::Set(d, static_cast<float>(batch.height));
  const V minus_one = hn::Set(d, -1.0f);
  const V x_of_row = hn::Set(d, image.to_x[1] * static_cast<float>(y) + image.to_x[2]);
  const V y_of_row = hn::Set(d, image.to_y[1] * static_cast<float>(y) + image.to_y[2]);
  const auto pitch = hn::Set(di, batch.width + 3);
  const float* below = plane + batch.width + 3;
  for (int x = 0; x < batch.width; x += lanes) {
    const V out_x = hn::Iota(d, static_cast<float>(x));
    V sx = hn::MulAdd(hn::Set(d, image.to_x[0]), out_x, x_of_row);
    V sy = hn::MulAdd(hn::Set(d, image.to_y[0]), out_x, y_of_row);
    sx = hn::Min(hn::Max(sx, minus_one), last_x);
    sy = hn::Min(hn::Max(sy, minus_one), last_y);
    const V left = hn::Floor(sx);
    const V top = hn::Floor(sy);
    const V fx = hn::Sub(sx, left);
    const V fy = hn::Sub(sy, top);
    // One row and one column of border come first.
    const auto row_index = hn::Add(hn::ConvertTo(di, top), hn::Set(di, 1));
    const auto at =
        hn::Add(hn::Mul(row_index, pitch), hn::Add(hn::ConvertTo(di, left), hn::Set(di, 1)));
    const V v00 = hn::GatherIndex(d, plane, at);
    const V v01 = hn::GatherIndex(d, plane + 1, at);
    const V v10 = hn::GatherIndex(d, below, at);
    const V v11 = hn::GatherIndex(d, below + 1, at);
    const V upper = hn::MulAdd(fx, hn::Sub(v01, v00), v00);
    const V lower = hn::MulAdd(fx, hn::Sub(v11, v10), v10);
    hn::StoreU(hn::MulAdd(fy, hn::Sub(lower, upper), upper), d, row + x);
  }
}

void change_intensity(const AugmentBatch& batch, const AugmentImage& image, float* row) {
  const D d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const bool gamma = image.steps & AugmentImage::kGamma;
  const V gain = hn::Set(d, image.gain);
  const V bias = hn::Set(d, image.bias);
  for (int x = 0; x < batch.width; x += lanes) {
    const V in = hn::LoadU(d, row + x);
    V v = in;
    if (gamma) {
      v = hn::MulAdd(v, hn::Set(d, batch.stddev), hn::Set(d, batch.mean));
      v = hn::Min(hn::Max(v, hn::Zero(d)), hn::Set(d, 1.0f));
      v = unit_power<VectorMath>(v, image.gamma);
    }
    v = hn::MulAdd(v, gain, bias);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(in), in, v), d, row + x);
  }
}

void add_noise(const float* noise, float deviation, int width, float* row) {
  const D d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const V scale = hn::Set(d, deviation);
  for (int x = 0; x < width; x += lanes) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, noise + x), scale, hn::LoadU(d, row + x)), d, row + x);
  }
}

/// The noise of `blocks` blocks of four elements from block `first`; writes whole vectors.
void fill_noise(const AugmentBatch& batch, const AugmentImage& image, std::uint32_t first,
                std::int64_t blocks, float* noise) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto key0 = static_cast<std::uint32_t>(batch.seed);
  const auto key1 = static_cast<std::uint32_t>(batch.seed >> 32);
  for (std::int64_t block = 0; block < blocks; block += lanes) {
    VU w0 = hn::Iota(DU(), first + kNoiseBlock + static_cast<std::uint32_t>(block));
    VU w1 = hn::Set(DU(), batch.epoch);
    VU w2 = hn::Set(DU(), image.sample_low);
    VU w3 = hn::Set(DU(), image.sample_high);
    philox<VectorMath>(w0, w1, w2, w3, key0, key1);
    V n0 = hn::Zero(d), n1 = n0, n2 = n0, n3 = n0;
    normal_pair<VectorMath>(w0, w1, n0, n1);
    normal_pair<VectorMath>(w2, w3, n2, n3);
    hn::StoreInterleaved4(n0, n1, n2, n3, d, noise + 4 * block);
  }
}
