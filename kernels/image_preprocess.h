#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace salus::kernels {

/// How stored values become [0, 1]. In every case the value is first x = slope * stored + intercept
/// (kTable: the stored value itself indexes the table).
enum class Window {
  kLinear,       ///< DICOM PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5, clamped to [0, 1];
                 ///< w = 1 is the step at c - 0.5
  kLinearExact,  ///< C.11.2.1.3.2: (x - c) / w + 0.5, clamped to [0, 1]
  kSigmoid,      ///< C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w))
  kRange,  ///< (x - low) / (high - low), clamped; low = center - width/2, high = center + width/2
  kNone,   ///< x unchanged (already in final units)
  kTable   ///< table[clamp(stored - table_first, 0, size - 1)], already in [0, 1]; integers only
};

/// Names that resize libraries would recognise; each is proven against golden vectors of the
/// library named.
enum class Resize {
  kArea,               ///< each output pixel is the mean of the source box it covers (exact areas);
                       ///< each source pixel is read once; an axis that is enlarged takes kBilinear
  kBilinear,           ///< half-pixel centres, no antialias (OpenCV INTER_LINEAR, torch
                       ///< align_corners=False)
  kBilinearAntialias,  ///< triangle filter widened by the scale (Pillow BILINEAR, torch
                       ///< antialias=True)
  kNearest             ///< OpenCV INTER_NEAREST
};

/// What to do when box and output have different aspect ratios.
enum class Fit {
  kStretch,  ///< resize to the output size
  kPad,      ///< keep the ratio, centre, fill the rest with `pad_value`
  kCrop      ///< keep the ratio, cover the output, cut the overhang evenly
};

/// Region of interest in source pixels, half open. What lies outside it is never read.
struct Box {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

/// One output image of the batch. Several may share `pixels` (a list of boxes on one image).
struct PreprocessImage {
  at::Tensor pixels;  ///< uint8, int8, uint16, int16 or float32 [H, W] or [H, W, 3], contiguous
  double slope = 1;
  double intercept = 0;
  Window window = Window::kRange;
  double center = 0.5;
  double width = 1;
  at::Tensor table;  ///< float32 [K] on the CPU, for kTable
  std::int64_t table_first = 0;
  bool invert = false;       ///< 1 - y after the window (MONOCHROME1, last)
  bool has_padding = false;  ///< stored values in [padding_low, padding_high] become `pad_value`
  double padding_low = 0;
  double padding_high = 0;
  Box box;  ///< height = 0 and width = 0 mean the whole image
};

/// The output shared by the batch.
struct PreprocessSpec {
  std::int64_t channels =
      1;  ///< 1 or 3: gray is repeated, RGB to 1 is Rec. 601 luma after the window
  std::int64_t height = 224;
  std::int64_t width = 224;
  Resize resize = Resize::kArea;
  Fit fit = Fit::kStretch;
  double pad_value = 0;      ///< in [0, 1] units, before normalising; not inverted
  std::vector<double> mean;  ///< per channel, or one for all, or none; y = (v - mean) / std
  std::vector<double> stddev;
  at::ScalarType dtype = at::kFloat;  ///< float32, float16 or bfloat16
};

/// Stored pixels -> rescale -> window -> inversion -> resize -> normalise -> CHW, in one pass and
/// one launch for the whole batch. Each source pixel is windowed first, then averaged.
///
/// Accurate to 1 ULP of the output's type + 1e-5 against float64 (kNone: 1e-5 of the largest value;
/// a standard deviation below 0.1 widens the bound in proportion). The same image gives the same
/// bits alone and in any batch, with any thread count. A NaN in float32 pixels gives NaN in exactly
/// the output pixels whose filter covers it. Runs on the current stream of the images' device and
/// does not wait for it.
///
/// \param images  N images of any sizes, all on one device (CPU or CUDA).
/// \returns spec.dtype [N, channels, height, width] on the images' device, contiguous. N = 0 gives
/// an
///          empty tensor on the CPU.
/// \throws c10::Error naming the index of the image: dtype, rank, layout or device not as above, a
/// box
///         outside its image, width <= 0 (kLinear: < 1), a missing or empty table, float pixels
///         with kTable, padding_low > padding_high, parameters that are not finite; and for a spec
///         with channels, size, dtype, mean or std not as above (std must be positive).
at::Tensor image_preprocess(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec);

/// The same into memory of the caller (a slice of a pinned batch, say).
///
/// \param out  spec.dtype [N, channels, height, width], contiguous, on the images' device.
/// \throws c10::Error as image_preprocess() does, or if `out` is not as above.
void image_preprocess_out(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec,
                          const at::Tensor& out);

/// A checked batch whose parameters lie ready on its device: for images that are preprocessed again
/// and again in place, and for CUDA graphs (run() neither allocates nor uploads). Copies share the
/// parameters.
class PackedPreprocess {
 public:
  /// \throws c10::Error as image_preprocess() does.
  PackedPreprocess(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec);

  /// Reads the pixels as they are now and writes `out`: spec.dtype [N, channels, height, width],
  /// contiguous, on the images' device.
  /// \throws c10::Error if `out` is not so.
  void run(const at::Tensor& out) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace salus::kernels
