#include "models/vitals/recurrent_layer.h"

#include <gtest/gtest.h>

namespace salus::models {
namespace {

struct Shape {
  std::int64_t steps, rows, inputs, hidden;
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << s.steps << "x" << s.rows << "x" << s.inputs << "x" << s.hidden;
}

class RecurrentLayerTest : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    const Shape& s = GetParam();
    series_ = torch::randn({s.steps, s.rows, s.inputs}).requires_grad_();
    initial_ = torch::randn({s.rows, s.hidden}).requires_grad_();
    weight_ = torch::randn({s.steps, s.rows, s.hidden});
  }

  static RecurrentLayer layer_of(const torch::nn::Module& rnn) {
    const auto p = rnn.named_parameters();
    return {p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"], p["bias_hh_l0"]};
  }

  /// Gradients of a weighted sum of the states.
  std::vector<at::Tensor> gradients(const at::Tensor& states, const RecurrentLayer& layer) {
    return torch::autograd::grad(
        {(states * weight_).sum()},
        {series_, initial_, layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh});
  }

  void expect_equal(const at::Tensor& ours, const at::Tensor& theirs, const RecurrentLayer& layer) {
    EXPECT_TRUE(torch::allclose(ours, theirs, 1e-5, 2e-6));
    const auto of_ours = gradients(ours, layer), of_theirs = gradients(theirs, layer);
    for (std::size_t i = 0; i < of_ours.size(); ++i) {
      const double scale = of_theirs[i].abs().max().item<double>() + 1;
      EXPECT_LE((of_ours[i] - of_theirs[i]).abs().max().item<double>(), 2e-5 * scale) << i;
    }
  }

  at::Tensor series_, initial_, weight_;
};

TEST_P(RecurrentLayerTest, GruAndItsGradientsAreThoseOfTorch) {
  torch::nn::GRU rnn(GetParam().inputs, GetParam().hidden);
  const RecurrentLayer layer = layer_of(*rnn);
  expect_equal(gru_layer(series_, initial_, layer),
               std::get<0>(rnn->forward(series_, initial_.unsqueeze(0))), layer);
}

TEST_P(RecurrentLayerTest, LstmAndItsGradientsAreThoseOfTorch) {
  torch::nn::LSTM rnn(GetParam().inputs, GetParam().hidden);
  const RecurrentLayer layer = layer_of(*rnn);
  const at::Tensor start = initial_.unsqueeze(0);
  const auto states =
      std::get<0>(rnn->forward(series_, std::make_tuple(start, torch::zeros_like(start))));
  expect_equal(lstm_layer(series_, initial_, layer), states, layer);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RecurrentLayerTest,
                         ::testing::Values(Shape{1, 1, 1, 1}, Shape{7, 5, 11, 20},
                                           Shape{12, 67, 30, 32}),
                         ::testing::PrintToStringParamName());

TEST(RecurrentLayerGradientTest, WithoutGradientsGivesTheSameBits) {
  torch::nn::GRU rnn(3, 9);
  const auto p = rnn->named_parameters();
  const RecurrentLayer layer{p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"],
                             p["bias_hh_l0"]};
  const at::Tensor series = torch::randn({6, 4, 3}), initial = torch::randn({4, 9});
  const at::Tensor with = gru_layer(series, initial, layer);
  EXPECT_TRUE(with.requires_grad());
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(torch::equal(gru_layer(series, initial, layer), with));
}

TEST(RecurrentLayerGradientTest, RefusesAGradientOfItsGradient) {
  torch::nn::LSTM rnn(3, 4);
  const auto p = rnn->named_parameters();
  const at::Tensor series = torch::randn({2, 2, 3}).requires_grad_();
  const at::Tensor states =
      lstm_layer(series, torch::zeros({2, 4}),
                 {p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"], p["bias_hh_l0"]});
  EXPECT_THROW(torch::autograd::grad({states.sum()}, {series}, {}, true, /*create_graph=*/true),
               c10::Error);
}

}  // namespace
}  // namespace salus::models
