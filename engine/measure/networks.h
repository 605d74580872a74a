#pragma once

#include <cstdint>
#include <string>

#include "engine/core/registry.h"
#include "engine/infer/session.h"
#include "engine/measure/times.h"

namespace salus::measure {

/// How fast a bundle's network scores images that are prepared already, on the session's device.
struct InferFigures {
  std::int64_t micro_batch = 0;  ///< images of every forward pass; fewer are filled up with zeros
  Times one;                     ///< calls with one image
  Times full;                    ///< calls with micro_batch images

  double images_per_second() const { return static_cast<double>(micro_batch) / full.median(); }
};

/// \param seconds  how long to measure each of the two.
/// \throws c10::Error if the network does not take images.
InferFigures time_inference(const infer::Session& session, const at::Device& device,
                            double seconds);

struct TrainProblem {
  ModelSpec model;
  std::int64_t batch = 32;
  std::string precision = "fp32";  ///< as train.precision
  std::string device = "cpu";
  std::int64_t steps = 10;  ///< measured, after two to warm up
};

/// Seconds of each optimiser step of the Trainer on images that are made up and in memory: loading,
/// forward, backward, update; no validation.
///
/// \throws UsageError for an unknown model, option, precision or device.
Times time_training(const Registry& registry, const TrainProblem& problem);

}  // namespace salus::measure
