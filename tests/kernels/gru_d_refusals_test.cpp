#include <functional>

#include "kernels/gru_d.h"
#include "kernels/gru_d_step.h"
#include "tests/kernels/gru_d_cases.h"

namespace salus::kernels {
namespace {

using Change = std::function<void(GruDCase&)>;

void expect_refused(const std::string& word, const Change& change) {
  GruDCase c = gru_d_case(3, 4, 5, 6);
  change(c);
  try {
    gru_d_forward(c.input, c.parameters, false);
    ADD_FAILURE() << "not refused: " << word;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(word), std::string::npos)
        << error.what_without_backtrace();
  }
}

TEST(GruDRefusalTest, OtherShapes) {
  const auto smaller = [](at::Tensor& tensor) { tensor = tensor.slice(0, 1); };
  expect_refused("values must be [N, T, D]", [](auto& c) { c.input.values = at::zeros({3, 4}); });
  expect_refused("values must be [N, T, D]", [](auto& c) { c.input.values = at::Tensor(); });
  expect_refused("at least one variable", [](auto& c) { c.input.values = at::zeros({3, 4, 0}); });
  expect_refused("mask is [2", [&](auto& c) { smaller(c.input.mask); });
  expect_refused("mask is missing", [](auto& c) { c.input.mask = at::Tensor(); });
  expect_refused("delta is [2", [&](auto& c) { smaller(c.input.delta); });
  expect_refused("length must be int64 [3]", [&](auto& c) { smaller(c.input.length); });
  expect_refused("mean is [4", [&](auto& c) { smaller(c.input.mean); });
  expect_refused("initial is [2", [&](auto& c) { smaller(c.input.initial); });
  GruDCase names = gru_d_case(1, 1, 1, 1);
  for (std::size_t i = 0; i < tensors_of(names.parameters).size(); ++i) {
    expect_refused(tensors_of(names.parameters)[i].first + " is [",
                   [&](auto& c) { smaller(*tensors_of(c.parameters)[i].second); });
  }
  expect_refused("weight_hh must be [3 H, H]",
                 [](auto& c) { c.parameters.weight_hh = at::Tensor(); });
}

TEST(GruDRefusalTest, OtherTypes) {
  expect_refused("float32 or bfloat16",
                 [](auto& c) { c.input.values = c.input.values.to(at::kDouble); });
  expect_refused("delta is BFloat16",
                 [](auto& c) { c.input.delta = c.input.delta.to(at::kBFloat16); });
  expect_refused("mask is Int", [](auto& c) { c.input.mask = c.input.mask.to(at::kInt); });
  expect_refused("weight_ih is Double",
                 [](auto& c) { c.parameters.weight_ih = c.parameters.weight_ih.to(at::kDouble); });
  expect_refused("length must be int64",
                 [](auto& c) { c.input.length = c.input.length.to(at::kInt); });
}

TEST(GruDRefusalTest, OtherDevices) {
  expect_refused("CPU or a CUDA device", [](auto& c) {
    c.input.values = at::empty({3, 4, 5}, at::TensorOptions(at::kFloat).device(at::kMeta));
  });
  expect_refused("mean is on meta", [](auto& c) {
    c.input.mean = at::empty({5}, at::TensorOptions(at::kFloat).device(at::kMeta));
  });
}

TEST(GruDRefusalTest, LengthsBeyondTheSteps) {
  expect_refused("length[1] is 5", [](auto& c) { c.input.length[1] = 5; });
  expect_refused("length[2] is -1", [](auto& c) { c.input.length[2] = -1; });
}

TEST(GruDRefusalTest, ForeignSavedTensorsAndGradients) {
  const GruDCase c = gru_d_case(3, 4, 5, 6);
  const at::Tensor saved = gru_d_forward(c.input, c.parameters, true).saved;
  const auto backward = [&](const at::Tensor& kept, const at::Tensor& hidden,
                            const at::Tensor& last) {
    gru_d_backward(c.input, c.parameters, kept, hidden, last, false, false);
  };
  EXPECT_THROW(backward({}, c.grad_hidden, {}), c10::Error);
  EXPECT_THROW(backward(saved.slice(0, 1), c.grad_hidden, {}), c10::Error);
  EXPECT_THROW(backward(saved.to(at::kDouble), c.grad_hidden, {}), c10::Error);
  EXPECT_THROW(backward(saved, c.grad_hidden.slice(1, 1), {}), c10::Error);
  EXPECT_THROW(backward(saved, c.grad_hidden.to(at::kDouble), {}), c10::Error);
  EXPECT_THROW(backward(saved, {}, c.grad_last.slice(0, 1)), c10::Error);
}

TEST(GruDRefusalTest, SteppersOfOtherParameters) {
  const GruDCase c = gru_d_case(3, 4, 5, 6);
  EXPECT_NO_THROW(GruDStepper(c.parameters, c.input.mean));
  EXPECT_THROW(GruDStepper(c.parameters, {}), c10::Error);
  EXPECT_THROW(GruDStepper(c.parameters, c.input.mean.slice(0, 1)), c10::Error);
  EXPECT_THROW(GruDStepper({}, c.input.mean), c10::Error);
  EXPECT_THROW(GruDStepper(c.parameters, c.input.mean.to(at::kBFloat16)), c10::Error);
}

}  // namespace
}  // namespace salus::kernels
