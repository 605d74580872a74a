#include "engine/train/losses.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/io/error.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

namespace F = torch::nn::functional;

const float kNan = std::numeric_limits<float>::quiet_NaN();
const Task kMultilabel{TaskKind::kMultilabel, {"a", "b"}};
const Task kMulticlass{TaskKind::kMulticlass, {"a", "b", "c"}};
const Task kRegression{TaskKind::kRegression, {"age"}};

Loss make(const Task& task, const std::string& table, const at::Tensor& targets) {
  return Loss(task, parse_train("[train.loss]\n" + table, task).loss, targets, at::kCPU);
}

double value(const Loss& loss, const at::Tensor& x, const at::Tensor& y) {
  return loss(x, y).item<double>();
}

at::Tensor classes_of(const at::Tensor& classes, std::int64_t count) {
  return at::one_hot(classes, count).to(at::kFloat);
}

TEST(LossTest, OfLabelsAStepEveryKnownStepIsARow) {
  const auto x = at::tensor({0.3f, -2.0f, 7.0f, 5.0f, 1.0f, 9.0f}).view({2, 3, 1});
  // The last step of the targets is beyond the steps that the logits have.
  const auto y = at::tensor({1.0f, 0.0f, kNan, kNan, 1.0f, kNan, kNan, kNan}).view({2, 4, 1});
  const auto rows_x = at::tensor({0.3f, -2.0f, 5.0f}).view({3, 1});
  const auto rows_y = at::tensor({1.0f, 0.0f, 1.0f}).view({3, 1});
  const auto loss = make(binary_task(), "", rows_y);
  EXPECT_NEAR(value(loss, x, y), value(loss, rows_x, rows_y), 1e-6);
}

TEST(LossTest, BinaryMatchesTheFormula) {
  const auto x = at::tensor({0.3f, -2.0f, 5.0f}).view({3, 1});
  const auto y = at::tensor({1.0f, 0.0f, 0.0f}).view({3, 1});
  const auto loss = [](double z, double t) {
    const double p = 1 / (1 + std::exp(-z));
    return -(t * std::log(p) + (1 - t) * std::log(1 - p));
  };
  EXPECT_NEAR(value(make(binary_task(), "", y), x, y),
              (loss(0.3, 1) + loss(-2, 0) + loss(5, 0)) / 3, 1e-6);
}

TEST(LossTest, BinaryWeightsMultiplyTheirClass) {
  const auto x = at::randn({10, 1});
  const auto y = at::arange(10).remainder(2).view({10, 1}).to(at::kFloat);
  const auto weights = y * 3 + (1 - y) * 0.5;
  const auto expected = at::binary_cross_entropy_with_logits(x, y, weights);
  EXPECT_NEAR(value(make(binary_task(), "class_weights = [0.5, 3.0]", y), x, y),
              expected.item<double>(), 1e-6);
}

TEST(LossTest, BinarySmoothingMovesTargetsToTheMiddle) {
  const auto x = at::randn({10, 1});
  const auto y = at::arange(10).remainder(2).view({10, 1}).to(at::kFloat);
  const auto expected = at::binary_cross_entropy_with_logits(x, y * 0.9 + 0.05);
  EXPECT_NEAR(value(make(binary_task(), "label_smoothing = 0.1", y), x, y), expected.item<double>(),
              1e-6);
}

TEST(LossTest, FocalMatchesTheFormula) {
  const auto x = at::tensor({0.7f, -0.4f}).view({2, 1});
  const auto y = at::tensor({1.0f, 0.0f}).view({2, 1});
  const double p = 1 / (1 + std::exp(-0.7)), q = 1 / (1 + std::exp(0.4));
  const double expected = (-(1 - p) * (1 - p) * std::log(p) - q * q * std::log(1 - q)) / 2;
  EXPECT_NEAR(value(make(binary_task(), "name = \"focal\"\ngamma = 2", y), x, y), expected, 1e-6);
}

TEST(LossTest, FocalOfGammaZeroIsCrossEntropy) {
  const auto x = at::randn({12, 3});
  const auto y = classes_of(at::arange(12).remainder(3), 3);
  EXPECT_NEAR(value(make(kMulticlass, "name = \"focal\"\ngamma = 0", y), x, y),
              value(make(kMulticlass, "", y), x, y), 1e-6);
  const auto b = y.slice(1, 0, 2).contiguous(), z = x.slice(1, 0, 2).contiguous();
  EXPECT_NEAR(value(make(kMultilabel, "name = \"focal\"\ngamma = 0", b), z, b),
              value(make(kMultilabel, "", b), z, b), 1e-6);
}

TEST(LossTest, MulticlassEqualsTorchWithWeightsAndSmoothing) {
  const auto x = at::randn({12, 3});
  const auto classes = at::arange(12).remainder(3);
  const auto y = classes_of(classes, 3);
  const auto expected = F::cross_entropy(
      x, classes,
      F::CrossEntropyFuncOptions().weight(at::tensor({1.0f, 2.0f, 4.0f})).label_smoothing(0.1));
  EXPECT_NEAR(value(make(kMulticlass, "class_weights = [1, 2, 4]\nlabel_smoothing = 0.1", y), x, y),
              expected.item<double>(), 1e-6);
}

TEST(LossTest, MulticlassFocalMatchesTheFormula) {
  const auto x = at::randn({12, 3});
  const auto y = classes_of(at::arange(12).remainder(3), 3);
  const auto p = (at::softmax(x.to(at::kDouble), 1) * y).sum(1);
  const auto expected = (-(1 - p).square() * p.log()).mean();
  EXPECT_NEAR(value(make(kMulticlass, "name = \"focal\"", y), x, y), expected.item<double>(), 1e-6);
}

TEST(LossTest, BalancedWeightsMakeClassesCountAlike) {
  auto y = at::zeros({8, 1});
  y.slice(0, 0, 2).fill_(1);
  const auto weights = make(binary_task(), "class_weights = \"balanced\"", y).class_weights();
  EXPECT_NEAR(weights[0].item<double>(), 8.0 / 12, 1e-6);
  EXPECT_NEAR(weights[1].item<double>(), 8.0 / 4, 1e-6);

  const auto classes = classes_of(at::tensor({0, 0, 0, 1, 1, 2}, at::kLong), 3);
  const auto three = make(kMulticlass, "class_weights = \"balanced\"", classes).class_weights();
  EXPECT_TRUE(at::allclose(three, at::tensor({6.0f / 9, 6.0f / 6, 6.0f / 3})));
}

TEST(LossTest, BalancedWeightsRefuseAMissingClass) {
  EXPECT_THROW(make(binary_task(), "class_weights = \"balanced\"", at::zeros({4, 1})), Error);
  const auto classes = classes_of(at::tensor({0, 1}, at::kLong), 3);
  EXPECT_THROW(make(kMulticlass, "class_weights = \"balanced\"", classes), Error);
}

TEST(LossTest, UnknownTargetsHaveNoPartInValueAndGradient) {
  const auto y = at::tensor({1.0f, kNan, kNan, 0.0f}).view({2, 2});
  const auto x = at::tensor({0.5f, 9.0f, -9.0f, 0.25f}).view({2, 2}).requires_grad_(true);
  for (const char* table : {"", "name = \"focal\"", "label_smoothing = 0.2"}) {
    const auto loss = make(kMultilabel, table, y);
    const auto gradient = torch::autograd::grad({loss(x, y)}, {x})[0];
    EXPECT_EQ(gradient[0][1].item<float>(), 0) << table;
    EXPECT_EQ(gradient[1][0].item<float>(), 0) << table;
    EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << table;
  }
  const auto known =
      at::binary_cross_entropy_with_logits(at::tensor({0.5f, 0.25f}), at::tensor({1.0f, 0.0f}));
  EXPECT_NEAR(value(make(kMultilabel, "", y), x, y), known.item<double>(), 1e-6);
}

TEST(LossTest, UnknownClassRowsAndQuantitiesAreLeftOut) {
  auto y = classes_of(at::tensor({0, 1, 2}, at::kLong), 3);
  y[1].fill_(kNan);
  const auto x = at::randn({3, 3});
  const auto kept = at::tensor({0, 2}, at::kLong);
  const auto expected = F::cross_entropy(x.index_select(0, kept), kept);
  EXPECT_NEAR(value(make(kMulticlass, "", y), x, y), expected.item<double>(), 1e-6);

  const auto t = at::tensor({1.0f, kNan, 3.0f}).view({3, 1});
  const auto v = at::tensor({2.0f, 7.0f, 5.0f}).view({3, 1});
  EXPECT_NEAR(value(make(kRegression, "", t), v, t), (1 + 4) / 2.0, 1e-6);
  EXPECT_NEAR(value(make(kRegression, "name = \"mae\"", t), v, t), (1 + 2) / 2.0, 1e-6);
  EXPECT_NEAR(value(make(kRegression, "name = \"huber\"", t), v, t), (0.5 + 1.5) / 2, 1e-6);
}

TEST(LossTest, NothingKnownGivesZero) {
  const auto y = at::full({2, 2}, kNan);
  EXPECT_EQ(value(make(kMultilabel, "", y), at::randn({2, 2}), y), 0);
  const auto rows = at::full({2, 3}, kNan);
  EXPECT_EQ(value(make(kMulticlass, "", rows), at::randn({2, 3}), rows), 0);
}

TEST(LossTest, GradientsStayFiniteAtExtremeLogits) {
  const auto extremes = at::tensor({-1e4f, 1e4f, -100.0f, 100.0f, 0.0f, 1e-30f});
  const auto y = at::tensor({1.0f, 0.0f, 0.0f, 1.0f, 1.0f, 0.0f}).view({6, 1});
  for (const char* table :
       {"", "name = \"focal\"", "name = \"focal\"\ngamma = 0.5", "class_weights = [1, 5]"}) {
    const auto x = extremes.view({6, 1}).clone().requires_grad_(true);
    const auto loss = make(binary_task(), table, y)(x, y);
    loss.backward();
    EXPECT_TRUE(at::isfinite(loss).item<bool>()) << table;
    EXPECT_TRUE(at::isfinite(x.grad()).all().item<bool>()) << table;
  }
  const auto classes = classes_of(at::tensor({0, 1}, at::kLong), 3);
  for (const char* table : {"", "name = \"focal\"\ngamma = 0.5"}) {
    const auto x = extremes.view({2, 3}).clone().requires_grad_(true);
    make(kMulticlass, table, classes)(x, classes).backward();
    EXPECT_TRUE(at::isfinite(x.grad()).all().item<bool>()) << table;
  }
}

TEST(LossTest, HalfPrecisionLogitsAreComputedInFloat) {
  const auto y = at::ones({4, 1});
  const auto loss = make(binary_task(), "", y)(at::full({4, 1}, 0.1, at::kBFloat16), y);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace salus::train
