#include "kernels/gru_d_step.h"

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gru_d_math.h"
#include "kernels/philox.h"
#include "tests/kernels/gru_d_cases.h"

namespace salus::kernels {
namespace {

/// Arrays of a stream.
struct Stream {
  Stream(const GruDStepper& stepper, std::int64_t series)
      : hidden(series * stepper.units()),
        x_last(series * stepper.variables()),
        last_time(x_last.size()),
        workspace(stepper.workspace_floats(), std::numeric_limits<float>::quiet_NaN()) {
    stepper.reset(series, state());
  }
  GruDState state() { return {hidden.data(), x_last.data(), last_time.data()}; }

  std::vector<float> hidden, x_last;
  std::vector<double> last_time;
  std::vector<float> workspace;
};

/// delta of the paper: d_t = (s_t - s_{t-1}) + (1 - m_{t-1}) d_{t-1}, d_0 = 0.
at::Tensor paper_delta(const at::Tensor& times, const at::Tensor& mask) {
  at::Tensor delta = at::zeros_like(mask);
  for (std::int64_t t = 1; t < mask.size(1); ++t) {
    const at::Tensor gap = (times.select(1, t) - times.select(1, t - 1)).unsqueeze(1);
    delta.select(1, t).copy_(gap + (1 - mask.select(1, t - 1)) * delta.select(1, t - 1));
  }
  return delta;
}

class GruDStepTest : public ::testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

TEST_P(GruDStepTest, StepsGiveTheBitsOfTheSequence) {
  const auto [variables, units] = GetParam();
  for (const std::int64_t series : {1, 3, 8, 19}) {
    GruDCase c = gru_d_case(series, 23, variables, units);
    c.input.length.fill_(23);
    c.input.initial.zero_();
    // Quarters of an hour: sums and differences are exact.
    const at::Tensor times = at::randint(1, 9, {series, 23}, at::kDouble).cumsum(1) / 4;
    c.input.delta = paper_delta(times.to(at::kFloat), c.input.mask);
    const at::Tensor expected = gru_d_forward(c.input, c.parameters, false).hidden;
    const GruDStepper stepper(c.parameters, c.input.mean);
    Stream stream(stepper, series);
    for (std::int64_t t = 0; t < 23; ++t) {
      const at::Tensor now = times.select(1, t).contiguous();
      const at::Tensor values = c.input.values.select(1, t).contiguous();
      const at::Tensor mask = c.input.mask.select(1, t).contiguous();
      stepper.step(series, now.const_data_ptr<double>(), values.const_data_ptr<float>(),
                   mask.const_data_ptr<float>(), stream.state(), stream.workspace.data());
      const at::Tensor hidden = at::from_blob(stream.hidden.data(), {series, units}, at::kFloat);
      ASSERT_TRUE(same_bits(hidden, expected.select(1, t).contiguous()))
          << series << " series, step " << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GruDStepTest,
                         ::testing::Values(std::pair{1, 1}, std::pair{37, 64}, std::pair{16, 16},
                                           std::pair{17, 33}, std::pair{8, 40}));

TEST(GruDStepStateTest, StartsFromTheMeanWithoutTime) {
  const GruDCase c = gru_d_case(1, 1, 3, 2);
  const GruDStepper stepper(c.parameters, c.input.mean);
  EXPECT_EQ(stepper.variables(), 3);
  EXPECT_EQ(stepper.units(), 2);
  Stream stream(stepper, 1);
  EXPECT_EQ(stream.hidden, std::vector<float>(2, 0.0f));
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(stream.x_last[i], c.input.mean[i].item<float>());
    EXPECT_TRUE(std::isnan(stream.last_time[i]));
  }
}

TEST(GruDStepStateTest, RemembersWhatWasObservedAndWhen) {
  const GruDCase c = gru_d_case(1, 1, 2, 2);
  const GruDStepper stepper(c.parameters, c.input.mean);
  Stream stream(stepper, 1);
  const float first[] = {5, std::nanf("")}, first_mask[] = {1, 0};
  const double at_ten = 10, at_twelve = 12;
  stepper.step(1, &at_ten, first, first_mask, stream.state(), stream.workspace.data());
  const float second[] = {std::nanf(""), 7}, second_mask[] = {0, 1};
  stepper.step(1, &at_twelve, second, second_mask, stream.state(), stream.workspace.data());
  EXPECT_EQ(stream.x_last, (std::vector<float>{5, 7}));
  EXPECT_EQ(stream.last_time, (std::vector<double>{10, 12}));
}

TEST(GateFormulaTest, StaysWithinItsBounds) {
  double tanh_error = 0, sigmoid_error = 0, decay_error = 0;
  for (double x = -30; x < 30; x += 1e-3) {
    const auto v = static_cast<float>(x);
    const double wide = v;
    tanh_error = std::max(tanh_error, std::abs(gate_tanh<GateMath>(v) / std::tanh(wide) - 1));
    sigmoid_error =
        std::max(sigmoid_error, std::abs(gate_sigmoid<GateMath>(v) - 1 / (1 + std::exp(-wide))));
    if (v <= 0) continue;
    decay_error = std::max(decay_error, std::abs(marked_decay<GateMath>(v) - std::exp(-wide)));
  }
  EXPECT_LE(tanh_error, 3e-7);
  EXPECT_LE(sigmoid_error, 2e-7);
  EXPECT_LE(decay_error, 3e-7);
}

TEST(GateFormulaTest, EndsAndNanAreKept) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_NEAR(gate_tanh<GateMath>(kInfinity), 1, 3e-7);
  EXPECT_NEAR(gate_tanh<GateMath>(-kInfinity), -1, 3e-7);
  EXPECT_LE(gate_tanh<GateMath>(100.0f), 1);
  EXPECT_NEAR(gate_sigmoid<GateMath>(-kInfinity), 0, 2e-7);
  EXPECT_GE(gate_sigmoid<GateMath>(-100.0f), 0);
  EXPECT_EQ(marked_decay<GateMath>(0.0f), -1);
  EXPECT_EQ(marked_decay<GateMath>(-3.0f), -1);
  EXPECT_NEAR(marked_decay<GateMath>(kInfinity), 0, 1e-30);
  EXPECT_TRUE(std::isnan(gate_tanh<GateMath>(std::nanf(""))));
  EXPECT_TRUE(std::isnan(gate_sigmoid<GateMath>(std::nanf(""))));
  EXPECT_TRUE(std::isnan(marked_decay<GateMath>(std::nanf(""))));
}

}  // namespace
}  // namespace salus::kernels
