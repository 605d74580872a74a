#pragma once

#include <c10/core/Device.h>

#include <string>

namespace salus {

/// The device "cpu", "cuda" or "cuda:N", ready for tensors: for a GPU the CUDA half of the
/// operators is loaded first (kernels/dispatch.h).
/// \throws UsageError for another name; salus::Error saying why CUDA cannot be used.
at::Device open_device(const std::string& name);

}  // namespace salus
