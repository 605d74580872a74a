#include <cstring>
#include <map>
#include <memory>

#include "kernels/gru_d.cuh"
#include "kernels/gru_d_cost.h"
#include "kernels/gru_d_device.h"
#include "tests/kernels/gru_d_cases.h"
#include "tests/support/simt/simt.h"

// The text of the CUDA kernels under the emulator, driven as the GPU is, against the float64
// formula.
namespace salus::kernels {
namespace {

/// Memory of one launch: arrays of the caller's tensors, known to the emulator.
class Arrays {
 public:
  /// What the kernel reads.
  template <typename T>
  void in(const char* name, const T*& pointer, std::int64_t count) {
    if (pointer == nullptr) return;
    pointer = add<T>(name, pointer, count, true, nullptr);
  }
  /// What the kernel writes; `reads`: it is also read.
  void out(const char* name, float*& pointer, std::int64_t count, bool reads = false) {
    if (pointer == nullptr) return;
    pointer = add<float>(name, pointer, count, reads, pointer);
  }
  /// Writes everything back.
  void finish() const {
    for (const auto& back : backs_) back();
  }

 private:
  template <typename T>
  T* add(const char* name, const T* from, std::int64_t count, bool filled, T* to) {
    const std::span<const T> values(from, static_cast<std::size_t>(count));
    const auto buffer = filled ? std::make_shared<simt::Buffer<T>>(name, values)
                               : std::make_shared<simt::Buffer<T>>(name, values.size());
    backs_.push_back([buffer, to, count] {
      if (to != nullptr) std::copy_n(buffer->data(), count, to);
    });
    return buffer->data();
  }
  std::vector<std::function<void()>> backs_;
};

class EmulatedKernels : public GruDKernels {
 public:
  explicit EmulatedKernels(std::uint64_t seed = 1) : seed_(seed) {}

  mutable std::map<std::string, simt::Report> reports;  // of the last launch of each kernel
  mutable std::map<std::string, std::vector<simt::Report>> launches;

  void impute(const GruDImputeTask& given) const override {
    GruDImputeTask task = given;
    const Counts n(task.sizes);
    Arrays arrays;
    arrays.in("length", task.length, n.series);
    for (const float** pointer : {&task.values, &task.mask, &task.delta}) {
      arrays.in("series", *pointer, n.values);
    }
    for (const float** pointer : {&task.mean, &task.decay_weight, &task.decay_bias}) {
      arrays.in("vectors", *pointer, n.variables);
    }
    arrays.out("inputs", task.inputs, 3 * n.values);
    run("impute", gru_d_element_shape(task.sizes, n.variables), gru_d_impute_kernel, task, arrays);
  }

  void impute_backward(const GruDImputeBackwardTask& given) const override {
    GruDImputeBackwardTask task = given;
    const Counts n(task.sizes);
    Arrays arrays;
    arrays.in("length", task.length, n.series);
    arrays.in("inputs", task.inputs, 3 * n.values);
    arrays.in("of_inputs", task.of_inputs, n.values);
    for (const float** pointer : {&task.mean, &task.decay_weight, &task.decay_bias}) {
      arrays.in("vectors", *pointer, n.variables);
    }
    arrays.out("values", task.values, n.values);
    arrays.out("delta", task.delta, n.values, true);
    arrays.out("sums", task.sums, 3 * n.series * n.variables);
    run("impute_backward", gru_d_element_shape(task.sizes, n.variables),
        gru_d_impute_backward_kernel, task, arrays);
  }

  void forward(const GruDForwardTask& given) const override {
    GruDForwardTask task = given;
    Arrays arrays;
    place(task, arrays, false);
    const auto launch = [&](int units, void (*kernel)(GruDForwardTask)) {
      run("forward", gru_d_recurrence_shape(task.sizes, units), kernel, task, arrays);
    };
    if (task.sizes.units <= 32) return launch(32, gru_d_forward_kernel<32>);
    if (task.sizes.units <= 64) return launch(64, gru_d_forward_kernel<64>);
    launch(128, gru_d_forward_kernel<128>);
  }

  void backward(const GruDBackwardTask& given) const override {
    GruDBackwardTask task = given;
    Arrays arrays;
    place(task, arrays, false);
    const auto launch = [&](int units, void (*kernel)(GruDBackwardTask)) {
      run("backward", gru_d_recurrence_shape(task.sizes, units), kernel, task, arrays);
    };
    if (task.sizes.units <= 32) return launch(32, gru_d_backward_kernel<32>);
    if (task.sizes.units <= 64) return launch(64, gru_d_backward_kernel<64>);
    launch(128, gru_d_backward_kernel<128>);
  }

  void step(const GruDStepTask& given) const override {
    GruDStepTask task = given;
    const Counts n(task.series.sizes);
    Arrays arrays;
    place(task.series, arrays, true);
    arrays.in("state_sums", task.state_sums, 3 * n.states);
    arrays.out("decayed", task.decayed, n.states, true);
    run("step", gru_d_element_shape(task.series.sizes, n.units), gru_d_step_kernel, task, arrays);
  }

  void step_backward(const GruDStepBackwardTask& given) const override {
    GruDStepBackwardTask task = given;
    const Counts n(task.series.sizes);
    Arrays arrays;
    place(task.series, arrays, true);
    arrays.out("grad_decayed", task.grad_decayed, n.states, true);
    run("step_backward", gru_d_element_shape(task.series.sizes, n.units),
        gru_d_step_backward_kernel, task, arrays);
  }

 private:
  struct Counts {
    explicit Counts(const GruDSizes& s)
        : series(s.series),
          variables(s.variables),
          units(s.units),
          values(s.series * s.steps * s.variables),
          states(s.series * s.units),
          hidden(s.series * s.steps * s.units),
          saved(s.series * s.steps * s.saved_row()) {}
    std::int64_t series, variables, units, values, states, hidden, saved;
  };

  /// `again`: the launch is one of many that share the arrays it writes.
  static void place(GruDForwardTask& task, Arrays& arrays, bool again) {
    const Counts n(task.sizes);
    arrays.in("length", task.length, n.series);
    arrays.in("input_sums", task.input_sums, 3 * n.hidden);
    arrays.in("decay_sums", task.decay_sums, n.hidden);
    arrays.in("weight_hh", task.weight_hh, 3 * n.units * n.units);
    arrays.in("bias_hh", task.bias_hh, 3 * n.units);
    arrays.in("initial", task.initial, n.states);
    arrays.out("hidden", task.hidden, n.hidden, again);
    arrays.out("last", task.last, n.states, again);
    arrays.out("saved", task.saved, n.saved, again);
  }

  static void place(GruDBackwardTask& task, Arrays& arrays, bool again) {
    const Counts n(task.sizes);
    arrays.in("length", task.length, n.series);
    arrays.in("weight_hh", task.weight_hh, 3 * n.units * n.units);
    arrays.in("saved", task.saved, n.saved);
    arrays.in("grad_hidden", task.grad_hidden, n.hidden);
    arrays.in("grad_last", task.grad_last, n.states);
    arrays.out("gates", task.gates, 4 * n.hidden, again);
    arrays.out("decay", task.decay, n.hidden, again);
    arrays.out("initial", task.initial, n.states, again);
  }

  template <class Task>
  void run(const char* name, const LaunchShape& shape, void (*kernel)(Task), const Task& task,
           const Arrays& arrays) const {
    reports[name] = simt::launch(shape, {.seed = seed_}, kernel, task);
    launches[name].push_back(reports[name]);
    arrays.finish();
  }

  std::uint64_t seed_;
};

struct Emulated {
  GruDOutput out;
  GruDGradients gradients;
};

Emulated emulate(const EmulatedKernels& kernels, const GruDCase& c) {
  const GruDArguments a = check_gru_d(c.input, c.parameters);
  Emulated result;
  result.out = gru_d_forward_by(kernels, a, true);
  result.gradients =
      gru_d_backward_by(kernels, a, result.out.saved, c.grad_hidden, c.grad_last, true, true);
  return result;
}

class GruDBodyTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(GruDBodyTest, IsTheFormulaAndItsGradients) {
  const std::int64_t units = GetParam();
  const GruDCase c = gru_d_case(5, 4, 3, units);
  const GruDExpected expected = expected_of(c);
  const Emulated body = emulate(EmulatedKernels(units), c);
  expect_close("hidden", body.out.hidden, expected.result.hidden, 4e-6);
  expect_close("last", body.out.last, expected.result.last, 4e-6);
  expect_gradients(body.gradients, expected.gradients, 4e-6);
}

// Around the widths of the three persistent kernels, and beyond them: step by step.
INSTANTIATE_TEST_SUITE_P(Units, GruDBodyTest, ::testing::Values(1, 31, 32, 33, 64, 65, 129));

TEST(GruDBodyOrderTest, OrderOfThreadsDoesNotChangeTheBits) {
  const GruDCase c = gru_d_case(6, 3, 4, 20);
  const Emulated first = emulate(EmulatedKernels(1), c);
  for (std::uint64_t seed = 2; seed < 5; ++seed) {
    const Emulated other = emulate(EmulatedKernels(seed), c);
    EXPECT_TRUE(same_bits(first.out.hidden, other.out.hidden)) << "seed " << seed;
    EXPECT_TRUE(
        same_bits(first.gradients.parameters.weight_hh, other.gradients.parameters.weight_hh))
        << "seed " << seed;
  }
}

TEST(GruDBodyOrderTest, AgreesWithTheCpu) {
  const GruDCase c = gru_d_case(7, 5, 6, 32);
  const Emulated body = emulate(EmulatedKernels(), c);
  const GruDOutput cpu = gru_d_forward(c.input, c.parameters, true);
  EXPECT_LE((body.out.hidden - cpu.hidden).abs().max().item<double>(), 2e-6);
}

TEST(GruDBodyLengthTest, LengthsOutsideAreClamped) {
  GruDCase c = gru_d_case(3, 4, 2, 5);
  c.input.length = at::tensor({4, 0, 2}, at::kLong);
  GruDArguments a = check_gru_d(c.input, c.parameters);
  const at::Tensor hidden = gru_d_forward_by(EmulatedKernels(), a, false).hidden;
  a.input.length = at::tensor({99, -7, 2}, at::kLong);
  EXPECT_TRUE(same_bits(gru_d_forward_by(EmulatedKernels(), a, false).hidden, hidden));
}

TEST(GruDCostTest, IsWhatTheLaunchesMoveAndTheProductsBetweenThem) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  GruDCase c = gru_d_case(8, 5, 3, 32);
  c.input.length.fill_(5);
  const EmulatedKernels kernels;
  emulate(kernels, c);
  const KernelCost cost = gru_d_forward_cost({8, 5, 3, 32});
  const auto& impute = kernels.reports.at("impute").traffic;
  const auto& forward = kernels.reports.at("forward").traffic;
  const std::uint64_t sums = 8 * 5 * 4 * 32 * 4;
  EXPECT_EQ(forward.at("input_sums").bytes_read + forward.at("decay_sums").bytes_read, sums);
  EXPECT_EQ(cost.bytes_written,
            impute.at("inputs").bytes_written + sums + forward.at("hidden").bytes_written +
                forward.at("last").bytes_written + forward.at("saved").bytes_written);
  // Beside these: series, parameters, state and lengths.
  const double rest =
      4.0 * (8 * 5 * 3 * 3 + 8 * 32 + 7 * 32 * 3 + 3 * 32 * 32 + 7 * 32 + 3 * 3) + 64;
  EXPECT_EQ(cost.bytes_read, impute.at("inputs").bytes_written + sums + rest);
}

TEST(GruDCostTest, BackwardIsWhatTheLaunchesMoveAndTheProductsBetweenThem) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  GruDCase c = gru_d_case(8, 5, 3, 32);
  c.input.length.fill_(5);
  const EmulatedKernels kernels;
  emulate(kernels, c);
  const KernelCost cost = gru_d_backward_cost({8, 5, 3, 32});
  const auto& impute = kernels.reports.at("impute").traffic;
  const auto& backward = kernels.reports.at("backward").traffic;
  const auto& back = kernels.reports.at("impute_backward").traffic;
  const double of_values = 8 * 5 * 3 * 4,
               weights = 4.0 * (7 * 32 * 3 + 3 * 32 * 32 + 7 * 32 + 3 * 3);
  const double left = backward.at("gates").bytes_written + backward.at("decay").bytes_written;
  EXPECT_EQ(cost.bytes_written, impute.at("inputs").bytes_written + left + of_values +
                                    backward.at("initial").bytes_written +
                                    back.at("sums").bytes_written + weights);
  // Beside what is left for the next launch: series, parameters, lengths.
  EXPECT_EQ(cost.bytes_read,
            impute.at("inputs").bytes_written + left + of_values + backward.at("saved").bytes_read +
                backward.at("grad_hidden").bytes_read + backward.at("grad_last").bytes_read +
                4.0 * (8 * 5 * 3 * 3) + weights + 64);
}

/// Bytes that launches read in all; a length, which every thread of its series reads, once each.
double read_by(const std::vector<simt::Report>& launches) {
  double bytes = 0;
  for (const simt::Report& launch : launches) {
    for (const auto& [name, traffic] : launch.traffic) {
      bytes += name == "length" ? 8.0 * static_cast<double>(traffic.elements_read)
                                : static_cast<double>(traffic.bytes_read);
    }
  }
  return bytes;
}

double written_by(const std::vector<simt::Report>& launches) {
  double bytes = 0;
  for (const simt::Report& launch : launches) {
    for (const auto& [name, traffic] : launch.traffic) {
      bytes += static_cast<double>(traffic.bytes_written);
    }
  }
  return bytes;
}

TEST(GruDCostTest, BeyondThePersistentWidthItIsWhatEveryStepMovesAndItsProduct) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  constexpr GruDSizes kSizes{8, 5, 3, 144};
  static_assert(kSizes.units > kMostPersistentUnits);
  GruDCase c = gru_d_case(kSizes.series, kSizes.steps, kSizes.variables, kSizes.units);
  c.input.length.fill_(kSizes.steps);
  const EmulatedKernels kernels;
  emulate(kernels, c);
  constexpr double kState = 4 * 8 * 144, kWeights = 4 * 3 * 144 * 144, kBias = 4 * 3 * 144;
  const auto& forward = kernels.launches.at("step");
  const KernelCost cost = gru_d_forward_steps_cost(kSizes);
  EXPECT_EQ(cost.bytes_read, read_by(forward) + 5 * (kState + kWeights + kBias));
  EXPECT_EQ(cost.bytes_written, written_by(forward) + 5 * 3 * kState);
  EXPECT_EQ(cost.launches, static_cast<int>(forward.size()) + 5);
  const auto& backward = kernels.launches.at("step_backward");
  const KernelCost back = gru_d_backward_steps_cost(kSizes);
  EXPECT_EQ(back.bytes_read, read_by(backward) + 5 * (kState + 3 * kState + kWeights));
  EXPECT_EQ(back.bytes_written, written_by(backward) + 5 * kState);
  EXPECT_EQ(back.launches, static_cast<int>(backward.size()) + 5);
}

TEST(GruDBodyTrafficTest, EachStepIsReadAndWrittenOnceAndUOncePerBlock) {
  if (!simt::counts_accesses()) GTEST_SKIP() << "built with a sanitizer: bytes are not counted";
  GruDCase c = gru_d_case(8, 5, 3, 32);
  c.input.length.fill_(5);
  const EmulatedKernels kernels;
  emulate(kernels, c);
  const std::uint64_t state = 8 * 5 * 32 * 4, weights = 3 * 32 * 32 * 4, blocks = 2;
  const auto& forward = kernels.reports.at("forward").traffic;
  EXPECT_EQ(forward.at("weight_hh").bytes_read, blocks * weights);
  EXPECT_EQ(forward.at("input_sums").bytes_read, 3 * state);
  EXPECT_EQ(forward.at("decay_sums").bytes_read, state);
  EXPECT_EQ(forward.at("hidden").bytes_written, state);
  EXPECT_EQ(forward.at("hidden").bytes_read, 0u);
  EXPECT_EQ(forward.at("saved").bytes_written, 6 * state);
  EXPECT_EQ(kernels.reports.at("forward").barriers, blocks * 5 * 2);
  const auto& backward = kernels.reports.at("backward").traffic;
  EXPECT_EQ(backward.at("weight_hh").bytes_read, blocks * weights);
  EXPECT_EQ(backward.at("saved").bytes_read, 6 * state);
  EXPECT_EQ(backward.at("grad_hidden").bytes_read, state);
  EXPECT_EQ(backward.at("gates").bytes_written, 4 * state);
  EXPECT_EQ(backward.at("decay").bytes_written, state);
  EXPECT_EQ(kernels.reports.at("backward").barriers, blocks * 5 * 2);
}

}  // namespace
}  // namespace salus::kernels
