#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "engine/core/model.h"

namespace salus::bench {

/// A model of the zoo.
std::shared_ptr<Model> make_model(const ModelSpec& spec);

std::int64_t parameters_of(const Model& model);

/// scale * sin(0.37 i + phase), the same values as in the peers.
at::Tensor formula(at::IntArrayRef shape, double phase, double scale);

}  // namespace salus::bench
