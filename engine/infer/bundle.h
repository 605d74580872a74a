#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/registry.h"
#include "engine/core/task.h"
#include "engine/data/target_spec.h"
#include "engine/data/transform.h"
#include "engine/evaluate/alarm_rule.h"
#include "engine/evaluate/calibration.h"

namespace salus::data {
class StayTransform;
}

namespace salus::infer {

/// What a bundle takes; an image that differs is refused (or flagged, as `refuse` says).
struct Acceptance {
  std::vector<std::string> modalities;  ///< DICOM Modality; empty = any, and formats without one
  std::vector<std::string> views;  ///< ViewPosition; empty = any; a file that says none is taken
  int samples = 0;                 ///< 1 grey, 3 colour, 0 any
  int min_bits = 0, max_bits = 0;  ///< BitsStored; 0 = any
  std::string unit;                ///< "HU" demands a rescale to it; "" = any
  bool refuse = true;              ///< false: score it and say so in `flags`

  /// Sentences that say why `image` does not fit; empty = it fits. Colour pixels whose three
  /// samples are equal everywhere are grey: scanners and converters often store radiographs so.
  std::vector<std::string> mismatches(const io::Image& image) const;
};

/// Where a probability becomes a decision: "positive if p >= threshold".
struct OperatingPoint {
  std::string name;  ///< "youden", "sensitivity>=0.95", ...
  std::string label;
  double threshold = 0.5;
};

/// A folder that is the whole model: bundle.toml, model.safetensors, metrics.json, MODEL_CARD.md.
struct Bundle {
  std::string name;
  Task task;
  ModelSpec model;
  std::string transform_toml;  ///< the [transform] table, with or without its header
  /// Of a regression of next values: from what the model says to values in their units, one per
  /// label; else empty. They follow from the transform: set_transform().
  std::vector<data::ValueScale> scales;
  Acceptance accepts;
  std::vector<evaluate::Calibration> calibration;  ///< none, or one per label (multiclass: one
                                                   ///< temperature)
  std::vector<OperatingPoint> operating_points;    ///< the first of each label is the default
  evaluate::AlarmTimes alarms;                     ///< of vital signs
  std::int64_t micro_batch = 16;                   ///< fixed shape that every forward runs at
  std::string weights_dtype = "float32";           ///< storage of matrices: float32 or bfloat16
  std::string compute_dtype = "float32";           ///< float32 or bfloat16
  std::map<std::string, at::Tensor> weights;       ///< parameters and buffers by name
  std::string metrics_json = "{}";
  std::string model_card;

  /// Sets transform_toml and what follows from it. \throws UsageError for a bad table.
  void set_transform(std::string toml);
  /// The [transform] table, whichever way transform_toml has it.
  Config transform_table() const;
  /// The preprocessing that it describes. \throws UsageError.
  data::Transform transform() const;           ///< of images
  data::StayTransform stay_transform() const;  ///< of vital signs

  /// The label's default operating point; null if it has none.
  const OperatingPoint* operating_point(const std::string& label) const;
};

/// Writes the folder atomically: temporary name, fsync, rename. An existing bundle at `path` is
/// replaced; anything else there is refused. \throws Error, also for a bundle that load_bundle
/// would refuse.
void save_bundle(const Bundle& bundle, const std::string& path);

/// \throws Error if a checksum fails, the format is from the future, a key is missing or unknown, a
///         file is missing or malformed, or its parts contradict each other.
Bundle load_bundle(const std::string& path);

}  // namespace salus::infer
