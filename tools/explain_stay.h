#pragma once

#include <cstdint>
#include <string>

#include "engine/infer/session.h"
#include "tools/stay_data.h"

namespace salus::tools {

struct ExplainStay {
  std::string path, id, label, out;
  double hour = -1;  ///< of a model with labels a step; below 0: the last
  StayData data;
};

/// Writes the heatmap of one stay's attributions (SVG) and prints them as JSON.
void explain_stay(const infer::Session& session, const ExplainStay& what, int threads);

}  // namespace salus::tools
