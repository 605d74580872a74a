#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "engine/core/model.h"
#include "engine/io/safetensors.h"

namespace salus::infer {

using Weights = std::map<std::string, at::Tensor>;

/// A tensor of a weights file, on the CPU. \throws Error naming `name` for a dtype that LibTorch
/// does not have.
at::Tensor to_tensor(const io::NamedArray& array, const std::string& name);

/// Row-major bytes of a tensor on any device. \throws Error for a dtype that safetensors lacks.
io::NamedArray to_array(const at::Tensor& tensor, const std::string& name);

/// Copies of all parameters and buffers by name, contiguous on the CPU.
Weights state_dict(const Model& model);

/// Values as they are after a bundle stores and reads them: bfloat16 rounds tensors of two or more
/// dimensions; vectors (biases, normalisation) stay float32. Calibrate on these.
Weights rounded(const Weights& weights, const std::string& dtype);

/// How the first layer takes weights for another number of input channels.
enum class FirstLayer {
  kStrict,  ///< it does not
  kSum,     ///< w[o, c] = sum over the file's channels / channels of the model: what the file's
            ///< network gives for a grey image repeated in all channels (3 -> 1: the plain sum)
  kMean,    ///< w[o, c] = mean over the file's channels
};

struct LoadOptions {
  FirstLayer first_layer = FirstLayer::kStrict;
  bool new_head = false;  ///< a head of another size keeps its initial values
};

/// Copies `weights` into `model`, whose devices and layouts stay.
///
/// Names may begin with "module." and may be those of older published checkpoints. Floating types
/// convert among themselves (float64 rounds); integers must fit exactly in type.
/// `num_batches_tracked` may be missing.
///
/// \param origin  the file, for messages.
/// \returns what was adapted or left at its initial values, one whole sentence each.
/// \throws Error listing missing, unexpected, misshapen and wrongly typed entries, and entries that
///         hold NaN or infinity; the model is then unchanged.
std::vector<std::string> load_weights(Model& model, const Weights& weights,
                                      const LoadOptions& options, const std::string& origin);

/// The same from a file: safetensors or a PyTorch state dict, by content.
std::vector<std::string> load_weights(Model& model, const std::string& path,
                                      const LoadOptions& options = {});

}  // namespace salus::infer
