#include "kernels/cell_steps.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace salus::kernels {
namespace {

constexpr std::int64_t kRows = 5, kUnits = 48;

at::Tensor wide(const at::Tensor& x) { return x.to(at::kDouble); }

/// The number `gate` of the gates in sums [rows, gates * units], float64.
at::Tensor gate_of(const at::Tensor& sums, std::int64_t gate) {
  return wide(sums.slice(1, gate * kUnits, (gate + 1) * kUnits));
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (wide(a) - b).abs().max().item<double>();
}

TEST(CellStepsTest, GruIsTheFormulaOfTorchNnGru) {
  const at::Tensor x = at::randn({kRows, 3 * kUnits}) * 3, h = at::randn({kRows, 3 * kUnits}) * 3;
  const at::Tensor hidden = at::randn({kRows, kUnits}), before = wide(hidden.clone());
  gru_cell_step(kRows, kUnits, x.const_data_ptr<float>(), h.const_data_ptr<float>(),
                hidden.mutable_data_ptr<float>());
  const at::Tensor r = (gate_of(x, 0) + gate_of(h, 0)).sigmoid();
  const at::Tensor z = (gate_of(x, 1) + gate_of(h, 1)).sigmoid();
  const at::Tensor n = (gate_of(x, 2) + r * gate_of(h, 2)).tanh();
  EXPECT_LE(distance(hidden, (1 - z) * n + z * before), 1e-6);
}

TEST(CellStepsTest, LstmIsTheFormulaOfTorchNnLstm) {
  const at::Tensor x = at::randn({kRows, 4 * kUnits}) * 3, h = at::randn({kRows, 4 * kUnits}) * 3;
  const at::Tensor hidden = at::empty({kRows, kUnits}, at::kFloat);
  const at::Tensor cell = at::randn({kRows, kUnits}), before = wide(cell.clone());
  lstm_cell_step(kRows, kUnits, x.const_data_ptr<float>(), h.const_data_ptr<float>(),
                 hidden.mutable_data_ptr<float>(), cell.mutable_data_ptr<float>());
  const auto sum = [&](std::int64_t gate) { return gate_of(x, gate) + gate_of(h, gate); };
  const at::Tensor after = sum(1).sigmoid() * before + sum(0).sigmoid() * sum(2).tanh();
  EXPECT_LE(distance(cell, after), 2e-6);
  EXPECT_LE(distance(hidden, sum(3).sigmoid() * after.tanh()), 1e-6);
}

TEST(CellStepsTest, PaddedUnitsStayZero) {
  const at::Tensor none = at::empty({1, 4 * 16}, at::kFloat).zero_();
  const at::Tensor hidden = none.slice(1, 0, 16).clone(), cell = hidden.clone();
  gru_cell_step(1, 16, none.const_data_ptr<float>(), none.const_data_ptr<float>(),
                hidden.mutable_data_ptr<float>());
  EXPECT_TRUE(hidden.eq(0).all().item<bool>());
  lstm_cell_step(1, 16, none.const_data_ptr<float>(), none.const_data_ptr<float>(),
                 hidden.mutable_data_ptr<float>(), cell.mutable_data_ptr<float>());
  EXPECT_TRUE(hidden.eq(0).all().item<bool>() && cell.eq(0).all().item<bool>());
}

}  // namespace
}  // namespace salus::kernels
