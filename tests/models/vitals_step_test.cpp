#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/core/step_network.h"
#include "models/vitals/vitals_model.h"
#include "tests/models/vitals_support.h"

// Counts what this program allocates by operator new, so that a step can be seen to allocate nothing.
namespace {
thread_local std::int64_t allocations = 0;

void* counted(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, whole)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, 16); }
void* operator new[](std::size_t bytes) { return counted(bytes, 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace salus::test {
namespace {

constexpr std::int64_t kSteps = 14, kOutputs = 2;

struct Variant {
  std::string name;
  bool per_step, summary, statics;
  std::int64_t layers;
  bool windowed;  ///< has the option "window"
  bool trees;     ///< is fitted, not trained by gradients
};

std::ostream& operator<<(std::ostream& out, const Variant& v) {
  return out << v.name << (v.per_step ? "PerStep" : "PerStay") << (v.summary ? "Summary" : "")
             << (v.statics ? "Statics" : "") << "Layers" << v.layers;
}

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const ModelEntry& entry : vitals_entries()) {
    const bool layered = entry.option_help.contains("layers");
    for (int bits = 0; bits < 8; ++bits) {
      for (const std::int64_t layers :
           layered ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{0}) {
        all.push_back({entry.name, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, layers,
                       entry.option_help.contains("window"),
                       !entry.option_help.contains("hidden")});
      }
    }
  }
  return all;
}

/// Series of a StepNetwork with their states.
class Stream {
 public:
  Stream(const StepNetwork& network, const Batch& batch) : network_(network), batch_(batch) {
    const auto n = batch.size();
    words_ = (network.state_bytes() + 7) / 8;
    memory_.resize(words_ * n);
    for (std::int64_t i = 0; i < n; ++i) states_.push_back(state(i));
    logits = torch::full({n, kOutputs}, 7.0);
    if (batch.inputs.contains("static")) statics_ = batch.inputs.at("static").contiguous();
    for (std::int64_t i = 0; i < n; ++i) {
      network.start(statics(i), states_[i], logits.data_ptr<float>() + i * kOutputs);
    }
    const auto bytes = network.workspace_bytes(n);
    workspace_ = std::unique_ptr<std::byte, decltype(&std::free)>(
        static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), &std::free);
  }

  /// Bin t of every series; \returns what was allocated meanwhile.
  std::int64_t step(std::int64_t t) {
    const auto bin = [&](const char* name) {
      return batch_.inputs.at(name).select(1, t).contiguous();
    };
    const at::Tensor values = bin("values"), mask = bin("mask"), delta = bin("delta");
    const StepInput input{batch_.size(), values.data_ptr<float>(), mask.data_ptr<float>(),
                          delta.data_ptr<float>(), statics(0)};
    const std::int64_t before = allocations;
    network_.step(input, states_.data(), logits.data_ptr<float>(), workspace_.get());
    return allocations - before;
  }

  std::byte* state(std::int64_t i) { return reinterpret_cast<std::byte*>(&memory_[i * words_]); }
  std::vector<double>& memory() { return memory_; }

  at::Tensor logits;

 private:
  const float* statics(std::int64_t i) const {
    return statics_.defined() ? statics_.data_ptr<float>() + i * statics_.size(1) : nullptr;
  }

  const StepNetwork& network_;
  Batch batch_;
  at::Tensor statics_;
  std::size_t words_;
  std::vector<double> memory_;
  std::vector<std::byte*> states_;
  std::unique_ptr<std::byte, decltype(&std::free)> workspace_{nullptr, &std::free};
};

class VitalsStepTest : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    const Variant& v = GetParam();
    torch::manual_seed(3);
    ModelSpec spec = stay_spec(v.name, v.trees ? tree_options() : network_options(), statics());
    spec.per_step = v.per_step;
    spec.steps = kSteps;
    if (v.statics) spec.clocks = {{.column = 1, .scale = 3, .offset = -2}};
    model_ = make_model(spec);
    model_->eval();
    const Batch training = stays(std::vector<std::int64_t>(40, kSteps), 6, kSteps, statics());
    if (v.trees) fit_to(*model_, training, v.per_step);
    bool given = false;
    model_->fit_statistics([&](Batch& batch) {
      batch = training;
      return !std::exchange(given, true);
    });
    for (at::Tensor& parameter : model_->parameters()) parameter.mul_(1.5);
    network_ = model_->step_network();
    ASSERT_NE(network_, nullptr);
  }

  static std::map<std::string, double> network_options() {
    const Variant& v = GetParam();
    std::map<std::string, double> options{{"hidden", 20}, {"summary", v.summary ? 1 : 0}};
    if (v.layers > 0) options["layers"] = static_cast<double>(v.layers);
    if (v.summary != v.per_step) options["head"] = 9;
    if (v.summary != v.statics) options["bins"] = 6;
    if (v.per_step && options.contains("bins")) options["pieces"] = 1;
    if (v.per_step != v.statics) options["recent"] = 5;
    if (v.windowed) options["window"] = 5;  // shorter than the series
    return options;
  }

  static std::map<std::string, double> tree_options() {
    const Variant& v = GetParam();
    const bool windowed = v.per_step != v.statics || !v.summary;
    return {{"summary", v.summary ? 1 : 0},
            {"recent", windowed ? 5 : 0},
            {"n_estimators", 12},
            {"max_depth", 3}};
  }

  std::int64_t statics() const { return GetParam().statics ? 2 : 0; }

  Batch series(std::int64_t n) const {
    Batch batch = stays(std::vector<std::int64_t>(n, kSteps), 5, kSteps, statics());
    if (statics() > 0) batch.inputs["static"][0][1] = NAN;
    return batch;
  }

  /// Of stays cut after `bins` bins.
  at::Tensor batch_logits(Batch batch, std::int64_t bins) const {
    if (GetParam().per_step) return model_->forward(batch).select(1, bins - 1);
    batch.inputs["length"] = torch::full({batch.size()}, bins, torch::kLong);
    return model_->forward(batch);
  }

  at::NoGradGuard no_grad_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<StepNetwork> network_;
};

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_P(VitalsStepTest, AfterEachBinScoresAsTheStayCutThere) {
  const Batch batch = series(5);
  Stream stream(*network_, batch);
  for (std::int64_t t = 0; t < kSteps; ++t) {
    stream.step(t);
    const at::Tensor expected = batch_logits(batch, t + 1);
    EXPECT_LE(distance(stream.logits, expected), 1e-5) << "after bin " << t;
    EXPECT_LE(distance(stream.logits.sigmoid(), expected.sigmoid()), 1e-6) << "after bin " << t;
  }
}

TEST_P(VitalsStepTest, AnEmptyStayIsScoredAsInABatch) {
  const Batch batch = series(3);
  const Stream stream(*network_, batch);
  if (GetParam().per_step) {
    EXPECT_TRUE(stream.logits.isnan().all().item<bool>());
  } else {
    EXPECT_LE(distance(stream.logits, batch_logits(batch, 0)), 1e-5);
  }
}

TEST_P(VitalsStepTest, ASeriesHasTheSameBitsInAnyBatch) {
  const Batch batch = series(71);
  Stream together(*network_, batch);
  for (std::int64_t t = 0; t < 6; ++t) together.step(t);
  for (const std::int64_t i : {0, 7, 31, 32, 66, 70}) {
    Stream alone(*network_, rows_of(batch, i, i + 1));
    for (std::int64_t t = 0; t < 6; ++t) alone.step(t);
    EXPECT_TRUE(torch::equal(alone.logits[0], together.logits[i])) << i;
    EXPECT_EQ(std::memcmp(alone.state(0), together.state(i), network_->state_bytes()), 0) << i;
  }
}

TEST_P(VitalsStepTest, CopyingTheBytesOfAStateCopiesTheSeries) {
  const Batch batch = series(2);
  Stream first(*network_, batch), second(*network_, batch);
  for (std::int64_t t = 0; t < 9; ++t) first.step(t);
  second.memory() = first.memory();
  first.memory().assign(first.memory().size(), NAN);
  second.step(9);
  const at::Tensor expected = batch_logits(batch, 10);
  EXPECT_LE(distance(second.logits, expected), 1e-5);
}

TEST_P(VitalsStepTest, AStepAllocatesNothing) {
  Stream stream(*network_, series(40));
  stream.step(0);
  EXPECT_EQ(stream.step(1), 0);
}

INSTANTIATE_TEST_SUITE_P(All, VitalsStepTest, ::testing::ValuesIn(variants()),
                         ::testing::PrintToStringParamName());

TEST(VitalsStepNetworkTest, TheAllocationsOfATestAreCounted) {
  const std::int64_t before = allocations;
  const auto one = std::make_unique<std::array<double, 4>>();
  EXPECT_EQ(allocations - before, 1);
  EXPECT_NE(one, nullptr);
}

TEST(VitalsStepNetworkTest, WeightsOtherThanFloat32AreRefused) {
  for (const std::string& name : vitals_names()) {
    const auto model = make_model(stay_spec(name));
    model->prepare_inference(at::kBFloat16);
    EXPECT_THROW(model->step_network(), c10::Error) << name;
  }
}

}  // namespace
}  // namespace salus::test
