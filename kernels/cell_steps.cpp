#include "kernels/cell_steps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cell_steps.cpp"
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels {
namespace HWY_NAMESPACE {

#include "kernels/gate_math-inl.h"

using M = VectorGateMath;

void gru_rows(std::int64_t rows, std::int64_t units, const float* x, const float* h,
              const float* before, float* after, float* saved) {
  for (std::int64_t i = 0; i < rows; ++i, x += 3 * units, h += 3 * units) {
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const V state = load(before + i * units + j), of_n = load(h + 2 * units + j);
      V r = state, z = state, n = state, now = state;
      gru_gates<M>(load(x + j), load(x + units + j), load(x + 2 * units + j), load(h + j),
                   load(h + units + j), of_n, state, r, z, n, now);
      store(now, after + i * units + j);
      if (saved == nullptr) continue;
      float* keep = saved + i * 4 * units + j;
      store(r, keep);
      store(z, keep + units);
      store(n, keep + 2 * units);
      store(of_n, keep + 3 * units);
    }
  }
}

void gru_rows_backward(std::int64_t rows, std::int64_t units, const float* saved,
                       const float* before, const float* grad, float* of_gates, float* of_before) {
  for (std::int64_t i = 0; i < rows; ++i, saved += 4 * units, of_gates += 4 * units) {
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const V z = load(saved + units + j), of_after = load(grad + i * units + j);
      V of_r = z, of_z = z, of_n = z, of_hn = z;
      gru_gates_backward<M>(of_after, load(saved + j), z, load(saved + 2 * units + j),
                            load(saved + 3 * units + j), load(before + i * units + j), of_r, of_z,
                            of_n, of_hn);
      store(of_n, of_gates + j);
      store(of_r, of_gates + units + j);
      store(of_z, of_gates + 2 * units + j);
      store(of_hn, of_gates + 3 * units + j);
      store(hn::Mul(of_after, z), of_before + i * units + j);
    }
  }
}

void lstm_rows(std::int64_t rows, std::int64_t units, const float* x, const float* h,
               const float* cell_before, float* cell_after, float* hidden, float* saved) {
  for (std::int64_t i = 0; i < rows; ++i, x += 4 * units, h += 4 * units) {
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const auto sum = [&](std::int64_t gate) {
        return hn::Add(load(x + gate * units + j), load(h + gate * units + j));
      };
      const V in = gate_sigmoid<M>(sum(0)), keep = gate_sigmoid<M>(sum(1));
      const V candidate = gate_tanh<M>(sum(2)), out = gate_sigmoid<M>(sum(3));
      const V cell = hn::MulAdd(keep, load(cell_before + i * units + j), hn::Mul(in, candidate));
      store(cell, cell_after + i * units + j);
      store(hn::Mul(out, gate_tanh<M>(cell)), hidden + i * units + j);
      if (saved == nullptr) continue;
      float* to = saved + i * 4 * units + j;
      store(in, to);
      store(keep, to + units);
      store(candidate, to + 2 * units);
      store(out, to + 3 * units);
    }
  }
}

/// grad gate (1 - gate): the derivative of a sigmoid from its value.
HWY_INLINE V through_sigmoid(V grad, V gate) {
  return hn::Mul(hn::Mul(grad, gate), hn::Sub(hn::Set(D(), 1.0f), gate));
}
/// grad (1 - value^2): the derivative of a tanh from its value.
HWY_INLINE V through_tanh(V grad, V value) {
  return hn::Mul(grad, hn::NegMulAdd(value, value, hn::Set(D(), 1.0f)));
}

void lstm_rows_backward(std::int64_t rows, std::int64_t units, const float* saved,
                        const float* cell_before, const float* cell_after, const float* grad,
                        float* of_cell, float* of_gates) {
  for (std::int64_t i = 0; i < rows; ++i, saved += 4 * units, of_gates += 4 * units) {
    for (std::int64_t j = 0; j < units; j += kLanes) {
      const std::int64_t at = i * units + j;
      const V in = load(saved + j), keep = load(saved + units + j);
      const V candidate = load(saved + 2 * units + j), out = load(saved + 3 * units + j);
      const V squashed = gate_tanh<M>(load(cell_after + at)), of_hidden = load(grad + at);
      const V of_after =
          hn::Add(load(of_cell + at), through_tanh(hn::Mul(of_hidden, out), squashed));
      store(through_sigmoid(hn::Mul(of_after, candidate), in), of_gates + j);
      store(through_sigmoid(hn::Mul(of_after, load(cell_before + at)), keep), of_gates + units + j);
      store(through_tanh(hn::Mul(of_after, in), candidate), of_gates + 2 * units + j);
      store(through_sigmoid(hn::Mul(of_hidden, squashed), out), of_gates + 3 * units + j);
      store(hn::Mul(of_after, keep), of_cell + at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace salus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {

HWY_EXPORT(gru_rows);
HWY_EXPORT(gru_rows_backward);
HWY_EXPORT(lstm_rows);
HWY_EXPORT(lstm_rows_backward);

void gru_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                   const float* of_state, const float* before, float* after, float* saved) {
  HWY_DYNAMIC_DISPATCH(gru_rows)(rows, units, of_input, of_state, before, after, saved);
}

void gru_cell_backward(std::int64_t rows, std::int64_t units, const float* saved,
                       const float* before, const float* grad, float* of_gates, float* of_before) {
  HWY_DYNAMIC_DISPATCH(gru_rows_backward)
  (rows, units, saved, before, grad, of_gates, of_before);
}

void lstm_cell_step(std::int64_t rows, std::int64_t units, const float* of_input,
                    const float* of_state, const float* cell_before, float* cell_after,
                    float* hidden, float* saved) {
  HWY_DYNAMIC_DISPATCH(lstm_rows)
  (rows, units, of_input, of_state, cell_before, cell_after, hidden, saved);
}

void lstm_cell_backward(std::int64_t rows, std::int64_t units, const float* saved,
                        const float* cell_before, const float* cell_after, const float* grad,
                        float* of_cell, float* of_gates) {
  HWY_DYNAMIC_DISPATCH(lstm_rows_backward)
  (rows, units, saved, cell_before, cell_after, grad, of_cell, of_gates);
}

}  // namespace salus::kernels
#endif
