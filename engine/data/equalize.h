#pragma once

#include <cstdint>

#include "engine/core/config.h"
#include "engine/io/image.h"
#include "kernels/image_preprocess.h"

namespace salus::data {

/// Histogram equalisation of a frame before its window: the keys `equalize*` of a transform.
///
///   equalize = "none"          # none, clahe (contrast-limited, by tiles), histogram (whole frame)
///   equalize_clip = 2.0        # clahe: limit of a bin in mean counts, 0 = none; as OpenCV's
///   clipLimit equalize_tiles = [8, 8]    # clahe: tiles below and beside each other
///
/// Equalisation asks only for the order of values, not for their unit: it works on the stored
/// values, 2^BitsStored bins, and the result lies in [0, 2^BitsStored) and has no unit. Therefore:
/// - the window must be "full": a centre in HU means nothing afterwards;
/// - signed values are shifted by 2^(BitsStored - 1), which keeps their order;
/// - the modality transform is not applied, except that a falling one (a negative slope, a table
/// whose
///   last entry is below its first) inverts the result, as it would have inverted the order;
/// - pixel padding is not counted and becomes `pad_value`;
/// - grayscale integers of at most 16 bits only.
class Equalize {
 public:
  /// Does nothing.
  Equalize() = default;

  /// \throws UsageError for a bad value, a key that the kind does not have, or a window other than
  ///         "full".
  explicit Equalize(const Config& transform);

  explicit operator bool() const { return kind_ != Kind::kNone; }

  /// Replaces `out.pixels` (the stored pixels of `frame`) by the equalised ones, and sets the
  /// window, inversion and padding that go with them.
  /// \throws Error if the image has colour, or values that are not integers of 1 to 16 bits.
  void apply(const io::Image& image, std::int64_t frame, kernels::PreprocessImage& out) const;

 private:
  enum class Kind { kNone, kClahe, kHistogram };

  at::Tensor equalized(const at::Tensor& levels, int bits, std::int64_t ignore_low,
                       std::int64_t ignore_high) const;

  Kind kind_ = Kind::kNone;
  double clip_ = 0;
  std::int64_t tiles_x_ = 0;
  std::int64_t tiles_y_ = 0;
};

}  // namespace salus::data
