#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/infer/session.h"
#include "engine/io/series.h"

namespace salus::infer {

struct ScoreOptions {
  bool embeddings = false;
  int threads = 0;           ///< decoding threads, 0 = as many as the process may use
  bool force = false;        ///< score images that the bundle does not accept, with flags
  io::VolumeOptions volume;  ///< irregularities of a series that are flagged, not refused
};

/// Called in the order of the inputs, one at a time.
struct ScoreHandlers {
  std::function<void(const Prediction&)> scored;
  /// `reason` is a whole sentence that names the input.
  std::function<void(const std::string& id, const std::string& reason)> skipped;
};

/// Reads, transforms and scores inputs as a stream: the next ones are decoded while one group is
/// scored; memory does not grow with their number. An input that cannot be read or does not fit the
/// bundle is handed to `skipped`, and the others are scored.
///
/// \returns how many were skipped.
std::size_t score_files(const Session& session, const std::vector<io::Input>& inputs,
                        const ScoreOptions& options, const ScoreHandlers& handlers);

}  // namespace salus::infer
