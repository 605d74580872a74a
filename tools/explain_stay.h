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

/// Writes the heatmap of one stay's attributions (SVG) and prints them as JSON: "steps" of the stay, 0
/// where it has no rows and its score rests on its statics alone; "attributions" per variable and hour,
/// where "value_is" says whether the value was "measured" in that hour, "carried" forward from the hour
/// "measured_at", or is the "default" of the variable; and "statics" per static column ("Age",
/// "ICUType=1", "Age missing").
void explain_stay(const infer::Session& session, const ExplainStay& what, int threads);

}  // namespace salus::tools
