#include "models/vitals/tcn_step.h"

#include <algorithm>

#include "kernels/packed_linear.h"
#include "models/vitals/step_ring.h"

namespace salus::models {
namespace {

using kernels::PackedLinear;

/// A causal convolution as a product: its taps, oldest first, side by side.
PackedLinear as_product(const TcnLayer& layer) {
  return {layer.weight.permute({0, 2, 1}).flatten(1), layer.bias};
}

struct Conv {
  PackedLinear product;
  std::int64_t dilation, length;  ///< length: bins that its ring holds
  std::int64_t ring;              ///< where the ring begins in the state
};

/// out = relu(sums) (+ x, and relu again).
void relu_rows(std::int64_t count, const float* sums, const float* residual, float* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float kept = std::max(sums[i], 0.0f);
    out[i] = residual == nullptr ? kept : std::max(residual[i] + kept, 0.0f);
  }
}

/// The state of a series is the front that StepEmbedding keeps, and per convolution a ring of its last
/// inputs. Rows are padded to whole vectors.
class TcnStep : public StepEncoder {
 public:
  TcnStep(StepEmbedding embedding, const std::vector<TcnLayer>& layers)
      : embedding_(std::move(embedding)),
        hidden_(embedding_.hidden()),
        taps_(layers.front().weight.size(2)),
        state_floats_(embedding_.state_floats()) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto dilation = std::int64_t{1} << (i / 2), length = (taps_ - 1) * dilation;
      convs_.push_back({as_product(layers[i]), dilation, length, state_floats_});
      state_floats_ += length * units();
    }
  }

  std::int64_t state_floats() const override { return state_floats_; }
  std::int64_t workspace_floats() const override {
    return static_cast<std::int64_t>(carve(nullptr).total);
  }

  void start(const float* initial, float* state) const override {
    std::fill_n(state, state_floats_, 0.0f);
    embedding_.start(initial, state);
  }

  void step(const StepInput& input, float* const* states, float* hidden, std::int64_t hidden_row,
            float* workspace) const override {
    const Workspace w = carve(workspace);
    const std::int64_t rows = input.series;
    embedding_(input, states, w.series, w.x);
    for (std::size_t i = 0; i < convs_.size(); i += 2) {
      convolve(convs_[i], rows, states, w.x, w);
      relu_rows(rows * units(), w.sums, nullptr, w.y);
      convolve(convs_[i + 1], rows, states, w.y, w);
      relu_rows(rows * units(), w.sums, w.x, w.x);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(w.x + i * units(), hidden_, hidden + i * hidden_row);
      StepEmbedding::advance(states[i]);
    }
  }

 private:
  struct Workspace {
    float *series, *x, *y, *sums, *taps;
    std::size_t total;
  };

  std::int64_t units() const { return embedding_.units(); }

  Workspace carve(float* memory) const {
    kernels::Carver carver(memory);
    Workspace w{};
    w.series = carver.take(kRows * embedding_.inputs());
    w.x = carver.take(kRows * units());
    w.y = carver.take(kRows * units());
    w.sums = carver.take(kRows * units());
    w.taps = carver.take(kRows * taps_ * hidden_);
    w.total = carver.used();
    return w;
  }

  /// w.sums of the convolution of x [rows, units()], which joins its ring.
  void convolve(const Conv& conv, std::int64_t rows, float* const* states, const float* x,
                const Workspace& w) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      float* to = w.taps + i * taps_ * hidden_;
      const float* now = x + i * units();
      std::copy_n(now, hidden_, to + (taps_ - 1) * hidden_);
      if (conv.length == 0) continue;
      const StepRing ring(states[i] + conv.ring, conv.length, units());
      const std::int64_t t = StepEmbedding::bin(states[i]);
      for (std::int64_t tap = 0; tap + 1 < taps_; ++tap) {
        // (taps - 1 - tap) dilation bins ago, which is as many bins ahead in the ring's circle.
        std::copy_n(ring.at(t + tap * conv.dilation), hidden_, to + tap * hidden_);
      }
      std::copy_n(now, hidden_, ring.at(t));
    }
    conv.product(rows, w.taps, taps_ * hidden_, w.sums);
  }

  StepEmbedding embedding_;
  std::int64_t hidden_, taps_, state_floats_;
  std::vector<Conv> convs_;
};

}  // namespace

std::unique_ptr<StepEncoder> tcn_step(StepEmbedding embedding,
                                      const std::vector<TcnLayer>& layers) {
  return std::make_unique<TcnStep>(std::move(embedding), layers);
}

}  // namespace salus::models
