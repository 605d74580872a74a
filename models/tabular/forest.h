#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace salus::models {

/// Boosted decision trees: output l of a row x of F numbers is base_l plus the leaf that x reaches in each
/// of its trees.
///
/// Every tree is stored as a complete one of `depth` levels, children of node i at 2 i + 1 and 2 i + 2, so
/// that a walk has no branches and all forests of an architecture the same shapes; a tree that ends
/// earlier repeats its leaf. A row goes right at a node where x >= threshold. NaN is a missing value,
/// which goes the way that the node says.
///
/// Buffers, N = 2^depth: feature int32 [L, trees, N - 1], ~feature where missing values go left;
/// threshold float32 [L, trees, N - 1]; leaf float32 [L, trees, N]; base float32 [L]. All 0 at first.
class ForestImpl : public torch::nn::Module {
 public:
  ForestImpl(std::int64_t outputs, std::int64_t trees, std::int64_t depth);

  std::int64_t outputs() const { return leaf.size(0); }
  std::int64_t trees() const { return leaf.size(1); }
  std::int64_t depth() const { return depth_; }

  /// \param rows  float32 [R, F], without a gradient. \returns float32 [R, L].
  /// \throws c10::Error if a node asks for a number that rows do not have.
  at::Tensor forward(const at::Tensor& rows) const;

  /// The same by operations on tensors, all trees a level at a time: what other devices than the CPU run.
  at::Tensor by_level(const at::Tensor& rows) const;

  /// What each number adds to outputs(to) - outputs(from) when the row moves along the straight line: the
  /// jumps of the trees, each given to the number that crosses a threshold (generalised integrated
  /// gradients; Merrill et al., 2019). Over all numbers their sum is the difference.
  /// \param from, to  float32 [R, F], with the same numbers missing. \returns float32 [R, F, L].
  at::Tensor jumps(const at::Tensor& from, const at::Tensor& to) const;

  /// \throws c10::Error if a node asks for number `width` or a later one.
  void require_width(std::int64_t width) const;

  /// Thresholds and leaves stay float32, whatever the network is cast to.
  void to(torch::Dtype dtype, bool non_blocking) override {}
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking) override;
  void to(torch::Device device, bool non_blocking) override;

  at::Tensor feature, threshold, leaf, base;

 private:
  std::int64_t depth_;
};
TORCH_MODULE(Forest);

/// forward() of one row at a time on the CPU, without allocation; views of the forest's buffers, which it
/// keeps alive.
class ForestRow {
 public:
  /// \param width  F. \throws c10::Error as ForestImpl::require_width() does.
  ForestRow(const ForestImpl& forest, std::int64_t width);

  std::int64_t outputs() const { return outputs_; }
  /// \param row  [F]. \param to  [L].
  void operator()(const float* row, float* to) const;

 private:
  at::Tensor feature_, threshold_, leaf_, base_;
  std::int64_t outputs_, trees_, depth_;
};

}  // namespace salus::models
