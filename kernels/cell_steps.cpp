#include "kernels/cell_steps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cell_steps.cpp"
// Tiles are arrays of vectors, which these instruction sets cannot have.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/gate_math-inl.h"

void gru_rows(std::int64_t rows, std::int64_t units, const float* of_input, const float* of_state,
              float* hidden) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const float *x = of_input + i * 3 * units, *h = of_state + i * 3 * units;
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const V before = load(hidden + i * units + j);
      V r = before, z = before, n = before, after = before;
      gru_gates<VectorGateMath>(load(x + j), load(x + units + j), load(x + 2 * units + j),
                                load(h + j), load(h + units + j), load(h + 2 * units + j), before,
                                r, z, n, after);
      store(after, hidden + i * units + j);
    }
  }
}

void lstm_rows(std::int64_t rows, std::int64_t units, const float* of_input, const float* of_state,
               float* hidden, float* cell) {
  using M = VectorGateMath;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float *x = of_input + i * 4 * units, *h = of_state + i * 4 * units;
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const auto sum = [&](std::int64_t gate) {
        return hn::Add(load(x + gate * units + j), load(h + gate * units + j));
      };
      const V in = gate_sigmoid<M>(sum(0)), keep = gate_sigmoid<M>(sum(1));
      const V after =
          hn::MulAdd(keep, load(cell + i * units + j), hn::Mul(in, gate_tanh<M>(sum(2))));
      store(after, cell + i * units + j);
      store(hn::Mul(gate_sigmoid<M>(sum(3)), gate_tanh<M>(after)), hidden + i * units + j);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(gru_rows);
HWY_EXPORT(lstm_rows);

void gru_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                   const float* of_state, float* hidden) {
  HWY_DYNAMIC_DISPATCH(gru_rows)(rows, units, of_input, of_state, hidden);
}

void lstm_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                    const float* of_state, float* hidden, float* cell) {
  HWY_DYNAMIC_DISPATCH(lstm_rows)(rows, units, of_input, of_state, hidden, cell);
}

}  // namespace salus::kernels
#endif
