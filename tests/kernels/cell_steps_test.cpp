#include "kernels/cell_steps.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <tuple>

namespace salus::kernels {
namespace {

constexpr std::int64_t kRows = 5, kUnits = 48;

at::Tensor wide(const at::Tensor& x) { return x.to(at::kDouble); }
at::Tensor rows(std::int64_t gates) { return at::randn({kRows, gates * kUnits}); }
float* data(const at::Tensor& x) { return x.mutable_data_ptr<float>(); }

/// The number `gate` of the gates in sums [rows, gates * units].
at::Tensor gate_of(const at::Tensor& sums, std::int64_t gate) {
  return sums.slice(1, gate * kUnits, (gate + 1) * kUnits);
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (wide(a) - wide(b)).abs().max().item<double>();
}

/// torch.nn.GRU's formula, float64.
at::Tensor gru(const at::Tensor& x, const at::Tensor& h, const at::Tensor& before) {
  const at::Tensor r = (gate_of(x, 0) + gate_of(h, 0)).sigmoid();
  const at::Tensor z = (gate_of(x, 1) + gate_of(h, 1)).sigmoid();
  const at::Tensor n = (gate_of(x, 2) + r * gate_of(h, 2)).tanh();
  return (1 - z) * n + z * before;
}

/// torch.nn.LSTM's formula, float64: hidden state and cell.
std::tuple<at::Tensor, at::Tensor> lstm(const at::Tensor& sums, const at::Tensor& before) {
  const at::Tensor cell =
      gate_of(sums, 1).sigmoid() * before + gate_of(sums, 0).sigmoid() * gate_of(sums, 2).tanh();
  return {gate_of(sums, 3).sigmoid() * cell.tanh(), cell};
}

/// The gradient of f(x).sum(), whose elements depend on the same unit of x alone: by differences, a
/// gate at a time.
at::Tensor differences(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x) {
  constexpr double kStep = 1e-5;
  at::Tensor gradient = at::empty({x.size(0), x.size(1)}, at::kDouble);
  for (std::int64_t gate = 0; gate < x.size(1) / kUnits; ++gate) {
    const at::Tensor step = at::zeros({x.size(0), x.size(1)}, at::kDouble);
    gate_of(step, gate).fill_(kStep);
    gate_of(gradient, gate).copy_((f(x + step) - f(x - step)) / (2 * kStep));
  }
  return gradient;
}

TEST(CellStepsTest, GruIsTheFormulaOfTorchNnGru) {
  const at::Tensor x = rows(3) * 3, h = rows(3) * 3, state = rows(1);
  const at::Tensor expected = gru(wide(x), wide(h), wide(state));
  gru_cell_step(kRows, kUnits, data(x), data(h), data(state), data(state), nullptr);
  EXPECT_LE(distance(state, expected), 1e-6);
}

TEST(CellStepsTest, LstmIsTheFormulaOfTorchNnLstm) {
  const at::Tensor x = rows(4) * 3, h = rows(4) * 3, hidden = rows(1), cell = rows(1);
  const auto [expected, expected_cell] = lstm(wide(x) + wide(h), wide(cell));
  lstm_cell_step(kRows, kUnits, data(x), data(h), data(cell), data(cell), data(hidden), nullptr);
  EXPECT_LE(distance(cell, expected_cell), 2e-6);
  EXPECT_LE(distance(hidden, expected), 1e-6);
}

TEST(CellStepsTest, GradientsOfAGruAreItsDerivatives) {
  const at::Tensor x = rows(3), h = rows(3), before = rows(1), grad = rows(1);
  const at::Tensor after = rows(1), saved = rows(4);
  const at::Tensor of_gates = rows(4), of_before = rows(1);
  gru_cell_step(kRows, kUnits, data(x), data(h), data(before), data(after), data(saved));
  gru_cell_backward(kRows, kUnits, data(saved), data(before), data(grad), data(of_gates),
                    data(of_before));
  const at::Tensor of_x = at::cat({of_gates.slice(1, kUnits, 3 * kUnits), gate_of(of_gates, 0)}, 1);
  const at::Tensor of_h = of_gates.slice(1, kUnits);
  const at::Tensor wx = wide(x), wh = wide(h), wb = wide(before), g = wide(grad);
  EXPECT_LE(distance(of_x, differences([&](auto v) { return g * gru(v, wh, wb); }, wx)), 1e-5);
  EXPECT_LE(distance(of_h, differences([&](auto v) { return g * gru(wx, v, wb); }, wh)), 1e-5);
  EXPECT_LE(distance(of_before, differences([&](auto v) { return g * gru(wx, wh, v); }, wb)), 1e-5);
}

TEST(CellStepsTest, GradientsOfAnLstmAreItsDerivatives) {
  const at::Tensor x = rows(4), h = rows(4), before = rows(1), grad = rows(1), of_cell = rows(1);
  const at::Tensor hidden = rows(1), after = rows(1), saved = rows(4), of_gates = rows(4);
  const at::Tensor g = wide(grad), of_after = wide(of_cell).clone();
  lstm_cell_step(kRows, kUnits, data(x), data(h), data(before), data(after), data(hidden),
                 data(saved));
  lstm_cell_backward(kRows, kUnits, data(saved), data(before), data(after), data(grad),
                     data(of_cell), data(of_gates));
  const auto weighed = [&](const at::Tensor& sums, const at::Tensor& cell) {
    const auto [state, now] = lstm(sums, cell);
    return g * state + of_after * now;
  };
  const at::Tensor sums = wide(x) + wide(h), wb = wide(before);
  EXPECT_LE(distance(of_gates, differences([&](auto v) { return weighed(v, wb); }, sums)), 1e-5);
  EXPECT_LE(distance(of_cell, differences([&](auto v) { return weighed(sums, v); }, wb)), 1e-5);
}

TEST(CellStepsTest, PaddedUnitsStayZero) {
  const at::Tensor none = at::zeros({1, 4 * 16}), hidden = at::zeros({1, 16});
  const at::Tensor cell = at::zeros({1, 16});
  gru_cell_step(1, 16, data(none), data(none), data(hidden), data(hidden), nullptr);
  EXPECT_TRUE(hidden.eq(0).all().item<bool>());
  lstm_cell_step(1, 16, data(none), data(none), data(cell), data(cell), data(hidden), nullptr);
  EXPECT_TRUE(hidden.eq(0).all().item<bool>() && cell.eq(0).all().item<bool>());
}

}  // namespace
}  // namespace salus::kernels
