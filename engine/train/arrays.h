#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "engine/core/model.h"
#include "engine/io/safetensors.h"

namespace salus::train {

/// A tensor as an array of a weights file (row-major whatever its strides), and back on the CPU.
io::NamedArray to_array(const at::Tensor& tensor);
at::Tensor to_tensor(const io::NamedArray& array, const std::string& name);

/// Copies values by name into `to`, whose strides and devices stay.
/// \throws Error naming an entry that is missing or has another shape; `what` says whose they are.
void copy_into(const std::map<std::string, at::Tensor>& to,
               const std::map<std::string, at::Tensor>& from, const std::string& what);

/// Parameters and buffers by name; same storage as in the model.
std::map<std::string, at::Tensor> named_state(const Model& model);

/// Lower-case hex SHA-256 of all names and values: equal for equal weights, whatever the strides.
std::string weights_hash(const std::map<std::string, at::Tensor>& state);

/// Copies a weights file into the model. What does not fit is met in two ways: a convolution whose
/// input channels differ takes the sum over channels (to grey) or an even share (from grey); a last
/// layer with another number of outputs keeps its initial values. \returns the names left out.
/// \throws Error naming an entry that is missing, or has a shape that neither rule explains.
std::vector<std::string> load_initial_weights(Model& model, const std::string& path);

}  // namespace salus::train
