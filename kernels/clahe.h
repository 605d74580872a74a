#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salus::kernels {

/// Contrast-limited adaptive histogram equalisation: what cv::createCLAHE takes, and the bits.
struct ClaheSpec {
  double clip_limit = 40;    ///< of the mean count of a bin; 0 or less does not clip
  std::int64_t tiles_x = 8;  ///< tiles beside each other, 1 to 1024
  std::int64_t tiles_y = 8;  ///< tiles below each other, 1 to 1024
  std::int64_t bits = 0;     ///< BitsStored, 1 to the bits of the type; 0 = all of the type's
  std::int64_t ignore_low =
      0;  ///< values in [ignore_low, ignore_high] (pixel padding, say) are not
  std::int64_t ignore_high = -1;  ///< counted and stay as they are; none if low > high
};

/// Equalises each image by the histograms of its tiles, as cv::CLAHE::apply does: equal to the bit
/// on 8 and 16 bits; with `bits` the histogram has 2^bits bins and the result lies in [0, 2^bits).
///
/// 1. An image whose height or width is not a multiple of the tiles is continued below and on the
///    right by reflection without the edge pixel (BORDER_REFLECT_101), both axes by
///    tiles - size % tiles (so an axis that would divide grows by a whole row of tiles, as OpenCV's
///    does).
/// 2. Each tile's histogram is clipped at L = max(1, floor(clip_limit * area / bins)); what was cut
///    off is spread: excess / bins to every bin, and the rest r one each to the bins 0, s, 2 s ...
///    with s = max(1, bins / r).
/// 3. Its table is round(cumulative count * ((bins - 1) / area)) in float32, ties to even.
/// 4. A pixel takes the bilinear mean, in float32, of its value's entries in the tables of the four
///    tiles whose centres surround it; beyond the outermost centres the nearest tile's alone.
///
/// A tile with ignored pixels uses the number n of counted pixels for the area, and
/// max(1, floor(L * n / area)) for L; one without counted pixels has the identity as its table.
/// Values of 2^bits and above are taken as 2^bits - 1 throughout. Signed pixels: pass value +
/// 2^(bits - 1) as unsigned, which keeps their order, and subtract it again.
///
/// Same bits alone and in any batch, for any thread count, on CPU and CUDA. On CUDA it runs on the
/// current stream and does not wait; each pixel is read once for the tables and once for the
/// result (above 14 bits, whose histogram exceeds shared memory, 2^(bits - 13) times for the
/// tables, which the cache serves).
///
/// \param image  uint8 or uint16 [H, W], [N, H, W] or [N, 1, H, W], CPU or CUDA, at most 2^30
///               pixels an image with its border; non-contiguous ones are copied first.
/// \returns a new contiguous tensor of the same shape, dtype and device.
/// \throws c10::Error for other tensors, and for values of `spec` outside of what is stated above
///         or not finite.
at::Tensor clahe(const at::Tensor& image, const ClaheSpec& spec);

/// Bytes that clahe_out() needs as workspace for `image`: the tables, at most of as many images at
/// a time as keep below 64 MB (but of one at least).
/// \throws c10::Error as clahe() does.
std::int64_t clahe_workspace_bytes(const at::Tensor& image, const ClaheSpec& spec);

/// The same without any allocation, so that it may be captured in a CUDA graph.
///
/// \param image      as for clahe(), contiguous.
/// \param out        of the shape, dtype and device of `image`, contiguous; other memory than
///                   `image`.
/// \param workspace  uint8 [clahe_workspace_bytes() or more] on the device of `image`, beginning at
///                   a multiple of 16 bytes; its content does not matter and is overwritten.
/// \throws c10::Error as clahe() does, or if `out` or `workspace` is not as above.
void clahe_out(const at::Tensor& image, const ClaheSpec& spec, const at::Tensor& out,
               const at::Tensor& workspace);

}  // namespace salus::kernels
