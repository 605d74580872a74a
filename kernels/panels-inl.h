// Small matrix products in registers, once per Highway target: part of an x_cpu.cpp, after
// vector_math-inl.h. No include guard.
//
// Each element of a result is one chain of multiply-adds in ascending order of the inner index,
// whatever the tile it falls into: a row has the same bits in any company.

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kTileRows = 8;  // 8 x 3 sums, 3 vectors and a broadcast of 32 registers
#else
constexpr int kTileRows = 4;  // 4 x 3 sums, 3 vectors and a broadcast of 16 registers
#endif

/// The left operand: element (i, k) is data[i * row + k * step].
struct Left {
  const float* data;
  std::int64_t row, step;

  HWY_INLINE Left from_row(std::int64_t i) const { return {data + i * row, row, step}; }
};

/// Where sums start and where they go: element (i, j) at start[i * start_row + j], to[i * row + j].
struct Sums {
  const float* start;
  std::int64_t start_row;  ///< 0: the same row (a bias) for all
  float* to;
  std::int64_t row;

  HWY_INLINE Sums from(std::int64_t i, std::int64_t j) const {
    return {start + i * start_row + j, start_row, to + i * row + j, row};
  }
};

#define SALUS_TILE_UNROLL _Pragma("GCC unroll 8")

template <int kRows, int kVectors>
HWY_INLINE void multiply_tile(Left a, const float* const (&b)[kVectors], std::int64_t b_step,
                              std::int64_t depth, Sums c) {
  const D d;
  V sum[kRows][kVectors];
  SALUS_TILE_UNROLL for (int i = 0; i < kRows; ++i) {
    SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
      sum[i][v] = hn::LoadU(d, c.start + i * c.start_row + v * kLanes);
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    V right[kVectors];
    SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b[v] + k * b_step);
    SALUS_TILE_UNROLL for (int i = 0; i < kRows; ++i) {
      const V left = hn::Set(d, a.data[i * a.row + k * a.step]);
      SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
        sum[i][v] = hn::MulAdd(left, right[v], sum[i][v]);
      }
    }
  }
  SALUS_TILE_UNROLL for (int i = 0; i < kRows; ++i) {
    SALUS_TILE_UNROLL for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[i][v], d, c.to + i * c.row + v * kLanes);
    }
  }
}

/// All rows of a strip of kVectors vectors of columns.
template <int kVectors>
void multiply_strip(Left a, std::int64_t rows, const float* const (&b)[kVectors],
                    std::int64_t b_step, std::int64_t depth, Sums c) {
  std::int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    multiply_tile<kTileRows, kVectors>(a.from_row(i), b, b_step, depth, c.from(i, 0));
  }
  if (kTileRows > 4 && i + 4 <= rows) {
    multiply_tile<4, kVectors>(a.from_row(i), b, b_step, depth, c.from(i, 0));
    i += 4;
  }
  if (i + 2 <= rows) {
    multiply_tile<2, kVectors>(a.from_row(i), b, b_step, depth, c.from(i, 0));
    i += 2;
  }
  if (i < rows) multiply_tile<1, kVectors>(a.from_row(i), b, b_step, depth, c.from(i, 0));
}

/// The right operand: `vector(j)` is where the vector of columns from j begins for k = 0; `step`
/// leads to the next k.
struct PanelColumns {
  const Panels& panels;
  std::int64_t step = 16;
  HWY_INLINE const float* vector(std::int64_t j) const {
    return panels.data.data() + j / 16 * panels.depth * 16 + j % 16;
  }
};
struct RowColumns {
  const float* data;
  std::int64_t step;
  HWY_INLINE const float* vector(std::int64_t j) const { return data + j; }
};

/// c = start + a b over `rows` rows and whole vectors of columns.
template <class Right>
void multiply(Left a, std::int64_t rows, const Right& right, std::int64_t depth,
              std::int64_t columns, Sums c) {
  std::int64_t left = columns / kLanes;
  for (std::int64_t j = 0; left > 0;) {
    const auto at = [&](int v) { return right.vector(j + v * kLanes); };
    // Four vectors are two strips of two: a strip of one would wait for its few sums.
    const std::int64_t take = left == 4 || left == 2 ? 2 : left == 1 ? 1 : 3;
    if (take == 3) {
      multiply_strip<3>(a, rows, {at(0), at(1), at(2)}, right.step, depth, c.from(0, j));
    } else if (take == 2) {
      multiply_strip<2>(a, rows, {at(0), at(1)}, right.step, depth, c.from(0, j));
    } else {
      multiply_strip<1>(a, rows, {at(0)}, right.step, depth, c.from(0, j));
    }
    j += take * kLanes;
    left -= take;
  }
}

/// Rows of `a` (of length panels.depth, `row` apart) times packed weights, plus a bias.
HWY_INLINE void multiply_weights(const float* a, std::int64_t row, std::int64_t rows,
                                 const Panels& panels, const float* bias, float* to) {
  multiply(Left{a, row, 1}, rows, PanelColumns{panels}, panels.depth, panels.columns,
           Sums{bias, 0, to, panels.columns});
}

/// to [m, columns] += a^T b over `rows` rows: how the gradient of a weight is summed.
HWY_INLINE void add_outer(const float* a, std::int64_t a_row, std::int64_t m, const float* b,
                          std::int64_t b_row, std::int64_t columns, std::int64_t rows, float* to) {
  multiply(Left{a, 1, a_row}, m, RowColumns{b, b_row}, rows, columns,
           Sums{to, columns, to, columns});
}
