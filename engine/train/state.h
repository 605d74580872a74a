#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "engine/core/model.h"

namespace salus::train {

/// Copies values by name into `to`, whose strides and devices stay.
/// \throws Error naming an entry that is missing or has another shape; `what` says whose they are.
void copy_into(const std::map<std::string, at::Tensor>& to,
               const std::map<std::string, at::Tensor>& from, const std::string& what);

/// Parameters and buffers by name; same storage as in the model.
std::map<std::string, at::Tensor> named_state(const Model& model);

/// A copy of such tensors on the CPU, row-major, that stays as it is while training goes on.
std::map<std::string, at::Tensor> snapshot(const std::map<std::string, at::Tensor>& live);

/// Lower-case hex SHA-256 of all names and values: equal for equal weights, whatever the strides.
std::string weights_hash(const std::map<std::string, at::Tensor>& state);

}  // namespace salus::train
