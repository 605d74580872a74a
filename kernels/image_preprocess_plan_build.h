#pragma once

// From images to their plan.

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/image_preprocess.h"
#include "kernels/image_preprocess_plan.h"

namespace salus::kernels::preprocess {

/// Checks everything but the output tensor, and plans the batch. `plan.output.data` stays null.
/// \throws c10::Error as image_preprocess() does.
Plan make_plan(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec);

WindowOp window_op(Window window);

/// \param integers    whether stored values are whole numbers of at most 16 bits.
/// \param table_size  entries of the table (kTable only).
WindowParams fold_window(const PreprocessImage& image, double pad_value, bool integers,
                         std::int64_t table_size);

/// Fills in stored_low and stored_high.
void find_whole_window(const PreprocessImage& image, PixelType type, WindowParams& window);

/// Filters are shared by all images of one geometry: a batch of equal images has two.
class AxisCache {
 public:
  explicit AxisCache(std::vector<Axis>& axes) : axes_(axes) {}
  /// Index of the filter from `source` to `full` pixels, of which [skip, skip + count) are shown.
  std::int32_t find(Resize resize, std::int64_t source, std::int64_t full, std::int64_t skip,
                    std::int64_t count);

 private:
  std::vector<Axis>& axes_;
  std::map<std::array<std::int64_t, 4>, std::int32_t> known_;
};

/// Fills in the axes and the output rectangle of `plan`.
void place_image(const Box& box, const PreprocessSpec& spec, AxisCache& axes, ImagePlan& plan);

}  // namespace salus::kernels::preprocess
