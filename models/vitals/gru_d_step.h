#pragma once

#include <memory>

#include "kernels/gru_d.h"
#include "models/vitals/step_encoder.h"

namespace salus::models {

/// GRU-D one bin at a time, by kernels::GruDStepper: the states of gru_d() to the bit.
/// \throws c10::Error if the parameters are not float32 on the CPU.
std::unique_ptr<StepEncoder> gru_d_step(const kernels::GruDParameters& parameters,
                                        const at::Tensor& mean);

}  // namespace salus::models
