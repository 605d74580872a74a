#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace salus::models {

/// Features as histogram-based trees see them, for a network: beside each value its place among the
/// training part's quantiles, piecewise linear between them. One place a distinct quantile, so that
/// the few values of a count or a score lie evenly apart. A single feature of the piecewise linear
/// encoding of Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning"
/// (NeurIPS 2022), summed over its bins.
///
///   place(x) = 2 (i + (x - k_i) / (k_{i+1} - k_i)) / (n - 1) - 1,   k_i <= x < k_{i+1}
///
/// with the n distinct quantiles k_0 to k_{n-1}, -1 below and 1 above them; 0 where a feature is
/// absent, was never present or has one value only. The values are drawn into [-kLimit, kLimit].
///
/// Buffers: knots float32 [F, bins + 1], the last one repeated; count float32 [F], n.
class QuantileBinsImpl : public torch::nn::Module {
 public:
  static constexpr float kLimit = 4;

  QuantileBinsImpl(std::int64_t features, std::int64_t bins);

  /// Sets the knots from rows of the training part. Quantiles nearer than a thousandth of the
  /// feature's standard deviation count as one: rounding would be magnified between them.
  /// \param rows  float32 [R, F]. \param present  bool [R, F].
  void fit(const at::Tensor& rows, const at::Tensor& present);

  /// \param values  float32 [..., F]. \param present  bool [..., F].
  /// \returns [..., 2 F]: the values, then their places.
  at::Tensor forward(const at::Tensor& values, const at::Tensor& present);

  /// The knots stay float32, whatever the network is cast to: another type would make some coincide.
  void to(torch::Dtype dtype, bool non_blocking) override {}
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking) override;
  void to(torch::Device device, bool non_blocking) override;

  at::Tensor knots, count;
};
TORCH_MODULE(QuantileBins);

/// forward() of one row at a time, without allocation.
class QuantileBinsRow {
 public:
  explicit QuantileBinsRow(const QuantileBinsImpl& bins);

  std::int64_t features() const { return static_cast<std::int64_t>(count_.size()); }
  /// \param values  [F], drawn into the limits. \param present  whether it is, of a feature's number.
  /// \param place  [F].
  template <typename Present>
  void operator()(float* values, const Present& present, float* place) const {
    for (std::int64_t f = 0; f < features(); ++f) {
      place[f] = present(f) && count_[f] > 1 ? place_of(f, values[f]) : 0;
    }
    for (std::int64_t f = 0; f < features(); ++f) {
      values[f] =
          std::min(std::max(values[f], -QuantileBinsImpl::kLimit), QuantileBinsImpl::kLimit);
    }
  }

 private:
  float place_of(std::int64_t feature, float value) const;

  std::int64_t row_;
  std::vector<float> knots_;
  std::vector<std::int64_t> count_;
};

}  // namespace salus::models
