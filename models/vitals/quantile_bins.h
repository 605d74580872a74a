#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace salus::models {

/// How QuantileBins shows a feature. With the n distinct quantiles k_0 to k_{n-1}, k_i <= x < k_{i+1}:
enum class BinForm {
  /// The value, drawn into [-kLimit, kLimit], and beside it its place among the quantiles,
  /// 2 (i + (x - k_i) / (k_{i+1} - k_i)) / (n - 1) - 1; -1 below and 1 above them. One place a distinct
  /// quantile, so that the few values of a count or a score lie evenly apart.
  kPlace,
  /// One number a bin: 1 of each bin below x, (x - k_i) / (k_{i+1} - k_i) of its own, 0 of those above: the
  /// piecewise linear encoding of Gorishniy et al., "On Embeddings for Numerical Features in Tabular
  /// Deep Learning" (NeurIPS 2022). A linear layer on it is a spline of each feature.
  kPieces,
};

/// Features as histogram-based trees see them, for a network: by their place among the quantiles of the
/// training part. Places and pieces are 0 where a feature is absent, was never present or has one value
/// only.
///
/// Buffers: knots float32 [F, bins + 1], the last one repeated; count float32 [F], n.
class QuantileBinsImpl : public torch::nn::Module {
 public:
  static constexpr float kLimit = 4;

  QuantileBinsImpl(std::int64_t features, std::int64_t bins, BinForm form = BinForm::kPlace);

  BinForm form() const { return form_; }
  /// Numbers that come of F features: 2 F, or F bins.
  std::int64_t width() const;

  /// Sets the knots from rows of the training part. Quantiles nearer than a thousandth of the
  /// feature's standard deviation count as one: rounding would be magnified between them.
  /// \param rows  float32 [R, F]. \param present  bool [R, F].
  void fit(const at::Tensor& rows, const at::Tensor& present);

  /// \param values  float32 [..., F]. \param present  bool [..., F].
  /// \returns [..., width()]: the values, then their places; or the pieces, feature by feature.
  at::Tensor forward(const at::Tensor& values, const at::Tensor& present);

  /// The knots stay float32, whatever the network is cast to: another type would make some coincide.
  void to(torch::Dtype dtype, bool non_blocking) override {}
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking) override;
  void to(torch::Device device, bool non_blocking) override;

  at::Tensor knots, count;

 private:
  at::Tensor places(const at::Tensor& values, const at::Tensor& known) const;
  at::Tensor pieces(const at::Tensor& values, const at::Tensor& known) const;

  BinForm form_;
};
TORCH_MODULE(QuantileBins);

/// forward() of one row at a time, without allocation.
class QuantileBinsRow {
 public:
  explicit QuantileBinsRow(const QuantileBinsImpl& bins);

  std::int64_t features() const { return static_cast<std::int64_t>(count_.size()); }
  /// \param values  [F]. \param present  whether it is, of a feature's number. \param to  [width()].
  template <typename Present>
  void operator()(const float* values, const Present& present, float* to) const {
    for (std::int64_t f = 0; f < features(); ++f) {
      const Found found = present(f) && count_[f] > 1 ? find(f, values[f]) : Found{};
      form_ == BinForm::kPlace ? put_place(f, values[f], found, to) : put_pieces(f, found, to);
    }
  }

 private:
  /// The bin of a value and how far it is into it; bin -1 where there is none.
  struct Found {
    std::int64_t bin = -1;
    float within = 0;
  };
  Found find(std::int64_t feature, float value) const;

  void put_place(std::int64_t feature, float value, const Found& found, float* to) const {
    const float limit = QuantileBinsImpl::kLimit, bins = static_cast<float>(count_[feature] - 1);
    to[feature] = std::min(std::max(value, -limit), limit);
    to[features() + feature] =
        found.bin < 0 ? 0 : (static_cast<float>(found.bin) + found.within) * (2 / bins) - 1;
  }
  void put_pieces(std::int64_t feature, const Found& found, float* to) const {
    float* pieces = to + feature * (row_ - 1);
    std::fill_n(pieces, row_ - 1, 0.0F);
    if (found.bin < 0) return;
    std::fill_n(pieces, found.bin, 1.0F);
    pieces[found.bin] = found.within;
  }

  BinForm form_;
  std::int64_t row_;
  std::vector<float> knots_;
  std::vector<std::int64_t> count_;
};

}  // namespace salus::models
