#include "kernels/packed_linear.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace salus::kernels {
namespace {

at::Tensor applied(const PackedLinear& linear, const at::Tensor& x) {
  at::Tensor y = at::empty({x.size(0), linear.row()}, at::kFloat);
  linear(x.size(0), x.const_data_ptr<float>(), x.size(1), y.mutable_data_ptr<float>());
  return y;
}

TEST(PackedLinearTest, MultipliesAnyNumberOfRows) {
  const at::Tensor weight = at::randn({37, 23}), bias = at::randn({37});
  const PackedLinear linear(weight, bias);
  EXPECT_EQ(linear.inputs(), 23);
  EXPECT_EQ(linear.row(), 48);
  for (std::int64_t rows = 0; rows < 20; ++rows) {
    const at::Tensor x = at::randn({rows, 23}), y = applied(linear, x);
    EXPECT_TRUE(at::allclose(y.slice(1, 0, 37), at::linear(x, weight, bias), 1e-4, 1e-5)) << rows;
    EXPECT_TRUE(y.slice(1, 37).eq(0).all().item<bool>()) << "padding of " << rows;
  }
}

TEST(PackedLinearTest, PadsEachGateToWholeVectors) {
  const at::Tensor weight = at::randn({3 * 5, 7}), bias = at::randn({3 * 5});
  const at::Tensor x = at::randn({4, 7}), expected = at::linear(x, weight, bias);
  const at::Tensor y = applied(PackedLinear(weight, bias, 3), x);
  ASSERT_EQ(y.size(1), 48);
  for (int gate = 0; gate < 3; ++gate) {
    EXPECT_TRUE(at::allclose(y.slice(1, 16 * gate, 16 * gate + 5),
                             expected.slice(1, 5 * gate, 5 * gate + 5), 1e-4, 1e-5));
  }
}

TEST(PackedLinearTest, WithoutABiasSumsStartAtZero) {
  const at::Tensor weight = at::randn({16, 3}), x = at::randn({2, 3});
  EXPECT_TRUE(
      at::allclose(applied(PackedLinear(weight, {}), x), at::linear(x, weight), 1e-4, 1e-5));
}

TEST(PackedLinearTest, ARowHasTheSameBitsInAnyCompany) {
  const PackedLinear linear(at::randn({70, 111}), at::randn({70}));
  const at::Tensor x = at::randn({37, 111}), all = applied(linear, x);
  for (std::int64_t i = 0; i < 37; ++i) {
    const at::Tensor alone = applied(linear, x.slice(0, i, i + 1).contiguous());
    EXPECT_EQ(std::memcmp(alone.const_data_ptr<float>(), all[i].const_data_ptr<float>(),
                          sizeof(float) * 80),
              0)
        << i;
  }
}

TEST(PackedLinearTest, RefusesOtherShapesAndTypes) {
  const at::Tensor weight = at::randn({6, 4}), bias = at::randn({6});
  EXPECT_THROW(PackedLinear(weight.to(at::kDouble), {}), c10::Error);
  EXPECT_THROW(PackedLinear(weight, at::randn({5})), c10::Error);
  EXPECT_THROW(PackedLinear(weight, bias, 4), c10::Error);
  EXPECT_THROW(PackedLinear(bias, bias), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
