// The vectors of image_augment_cpu.cpp: rows of pixels in, rows of float32 through, rows out.
//
// No include guard: part of image_augment_cpu.cpp, once per Highway target.

#include "kernels/vector_math-inl.h"

using D16 = hn::Rebind<std::uint16_t, D>;

constexpr std::int64_t kRowSlack = 16;        // rows are worked on in whole vectors
constexpr std::int64_t kNoiseSlack = 4 * 16;  // a vector of blocks is four vectors of noise

#define SALUS_FORMULA HWY_INLINE
#include "kernels/random_formula-inl.h"
#undef SALUS_FORMULA

#include "kernels/convert-inl.h"

template <typename T>
void load_row(const T* from, std::int64_t stride, std::int64_t count, float* row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t x = 0;
  if (kVectorised<T> && stride == 1) {
    for (; x + lanes <= count; x += lanes) hn::StoreU(load_as_float(from + x), D(), row + x);
  }
  for (; x < count; ++x) row[x] = to_float(from[x * stride]);
}

template <typename T>
void store_row(const float* row, std::int64_t count, T* to, std::int64_t stride) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t x = 0;
  if (kVectorised<T> && stride == 1) {
    for (; x + lanes <= count; x += lanes) store_from_float(hn::LoadU(D(), row + x), to + x);
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
