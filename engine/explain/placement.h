#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/image_preprocess.h"

namespace salus::explain {

/// Lays a map over the model's input back over the source image: undoes stretching, padding and
/// cropping.
///
/// \param map     float32 [h, w] on the CPU, any size, covering the whole input of the model.
/// \param box     the part of the source that the transform reads (height 0: all).
/// \returns float32 [rows, columns], bilinear between the centres of the map's cells; 0 outside the
///          box and where a crop cut the source off.
at::Tensor to_source(const at::Tensor& map, const kernels::PreprocessSpec& spec,
                     const kernels::Box& box, std::int64_t rows, std::int64_t columns);

}  // namespace salus::explain
