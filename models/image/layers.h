#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>

namespace salus::models {

enum class Activation { kNone, kRelu, kSilu, kSigmoid };

/// Options of a k x k convolution without bias whose padding keeps the size at stride 1.
torch::nn::Conv2dOptions conv_options(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                      std::int64_t stride = 1, std::int64_t groups = 1);

/// A convolution and what follows it: act(norm(conv(x)) + residual).
///
/// Its parameters are `weight` (and `bias`) as in torch::nn::Conv2d. The normalisation is
/// registered by the owner under its own name; the convolution only refers to it, so that preparing
/// for inference can fold one into the other and run both, the sum and the activation as one call.
class ConvImpl : public torch::nn::Conv2dImpl {
 public:
  ConvImpl(const torch::nn::Conv2dOptions& options, torch::nn::BatchNorm2d norm = nullptr,
           Activation activation = Activation::kNone);
  ~ConvImpl() override;

  /// \param x         [N, C, H, W].
  /// \param residual  undefined, or of the output's shape; added before the activation.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual = {});

  /// Folds the normalisation and keeps the result in `dtype`, in oneDNN's own layout on the CPU;
  /// `weight` is given up. forward() then needs x in `dtype` and takes no gradients.
  void prepare(at::ScalarType dtype);

 private:
  at::Tensor convolve(const at::Tensor& x);

  class Prepared;
  torch::nn::BatchNorm2d norm_;
  Activation activation_;
  std::unique_ptr<Prepared> prepared_;
};
TORCH_MODULE(Conv);

/// relu(norm(x)) before a convolution (DenseNet). Prepared, it is one multiply-add per channel.
class NormReluImpl : public torch::nn::BatchNorm2dImpl {
 public:
  explicit NormReluImpl(std::int64_t channels);
  at::Tensor forward(const at::Tensor& x);
  void prepare(at::ScalarType dtype);

 private:
  at::Tensor scale_, shift_;  // float32 [C] when prepared
};
TORCH_MODULE(NormRelu);

/// act(x), in place where autograd allows it.
at::Tensor activate(at::Tensor x, Activation activation);

/// Mean over rows and columns of x [N, C, H, W] -> [N, C] in `dtype`. Without gradients each image
/// is averaged on its own: threads divide a batch where no image ends, and a score must not depend
/// on the batch it is in.
at::Tensor mean_by_image(const at::Tensor& x, at::ScalarType dtype);

/// Prepares every Conv and NormRelu below `module`.
void prepare_layers(torch::nn::Module& module, at::ScalarType dtype);

/// torchvision's initial values: normal convolution weights of variance 2 / fan, normalisation 1
/// and 0, convolution biases 0. Draws in the order of modules(), as torchvision does.
void init_kaiming(torch::nn::Module& module, torch::nn::init::FanModeType mode);

}  // namespace salus::models
