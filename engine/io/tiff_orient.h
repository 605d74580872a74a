#pragma once

#include "engine/io/image.h"

namespace salus::io {

/// Turns pixels stored in `orientation` (TIFF tag 274, 1 to 8) so that row 0 is the top and column
/// 0 the left of the picture; 5 to 8 swap rows and columns. Other values change nothing. Without
/// pixels only the sizes are turned.
void apply_orientation(Pixels& pixels, int orientation);

}  // namespace salus::io
