#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/infer/bundle.h"
#include "engine/io/image.h"

namespace salus::infer {

/// Sentences that say why no score of these frames of an image would mean anything, whatever the
/// bundle takes: float pixels that are NaN or infinite (a window makes a plain number of an infinite
/// one), and frames that are padding from edge to edge. Empty = nothing is wrong. Whole-number pixels
/// are not looked at where the file declares no padding, and frames with a picture no further than
/// their first pixel of it.
std::vector<std::string> pixel_mismatches(const io::Image& image,
                                          const std::vector<std::int64_t>& frames);

/// Those sentences after what `accepts` says of the image: all that a bundle refuses it for.
std::vector<std::string> image_mismatches(const Acceptance& accepts, const io::Image& image,
                                          const std::vector<std::int64_t>& frames);

}  // namespace salus::infer
