#pragma once

#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/core/registry.h"
#include "models/vitals/recent.h"
#include "models/vitals/stays.h"
#include "models/vitals/summary.h"

namespace salus::models {

/// What a head is told beside the encoder's state: static covariates, the summary of each variable if
/// asked for, what is recent of each, with the age of the stay, if there is a window, and
/// log(1 + bins since) of each clock, 0 before it. F = S + 7 D + 8 D + 1 + C.
struct KnownFeatures {
  std::int64_t variables, statics;
  bool per_step, summary;
  std::int64_t window;  ///< bins; 0 = nothing recent
  std::vector<StaticClock> clocks = {};

  /// As the options `summary` and `recent` say.
  static KnownFeatures of_spec(const ModelSpec& spec);

  std::int64_t summary_width() const { return summary ? kSummaries * variables : 0; }
  std::int64_t recent_width() const { return window > 0 ? kRecent * variables + 1 : 0; }
  std::int64_t clocks_at() const { return statics + summary_width() + recent_width(); }
  std::int64_t width() const { return clocks_at() + static_cast<std::int64_t>(clocks.size()); }

  /// float32 [N, F] of whole stays or, per step, so far: [N, T, F].
  at::Tensor of(const Stays& stays) const;

  /// bool, like `known`: false for numbers of a variable that was not observed, which are 0.
  at::Tensor present(const at::Tensor& known) const;
  /// The same of one number of a row.
  bool present(const float* known, std::int64_t feature) const;

  /// Numbers that are not present() become NaN. \param known  a row.
  void mark_missing(float* known) const;

  /// The clocks of a row at bin `bin`, from the statics in it.
  void put_clocks(double bin, float* known) const;

 private:
  at::Tensor since_clocks(const Stays& stays) const;

  /// log(1 + bins since) of an observation in the window is below this.
  double in_window() const { return std::log1p(static_cast<double>(window) - 0.5); }
};

/// The options that KnownFeatures::of_spec() reads, with their help texts.
std::map<std::string, std::string> known_options();

}  // namespace salus::models
