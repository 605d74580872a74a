#pragma once

#include <string>
#include <vector>

#include "engine/explain/heatmap.h"

namespace salus::explain {

/// The heatmap over the image as the model sees it (windowed, source size) as a PNG in memory.
///
/// Colours are Inferno, whose lightness rises with the value, from transparent at 0 to the colour
/// at `largest`; negative values of an occlusion are blue. A bar at the right edge shows the scale.
///
/// \throws Error if the PNG cannot be encoded.
std::vector<std::byte> overlay_png(const infer::Session& session, const io::Image& image,
                                   const Heatmap& heatmap);

/// The same to a file, atomically. \throws Error.
void write_overlay(const std::string& path, const infer::Session& session, const io::Image& image,
                   const Heatmap& heatmap);

}  // namespace salus::explain
