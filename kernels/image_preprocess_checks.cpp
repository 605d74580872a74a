// What may be asked for: every check that needs no memory of the device, and the plan that is made
// of what passed.

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <utility>

#include "kernels/image_preprocess.h"
#include "kernels/image_preprocess_plan.h"
#include "kernels/image_preprocess_plan_build.h"

namespace salus::kernels::preprocess {
namespace {

constexpr std::int64_t kMaxSide = 1 << 24;

PixelType pixel_type(const at::Tensor& pixels, std::size_t i) {
  switch (pixels.scalar_type()) {
    case at::kByte:
      return PixelType::kUint8;
    case at::kChar:
      return PixelType::kInt8;
    case at::kUInt16:
      return PixelType::kUint16;
    case at::kShort:
      return PixelType::kInt16;
    case at::kFloat:
      return PixelType::kFloat32;
    default:
      TORCH_CHECK(false, "image_preprocess: the pixels of image ", i, " are ", pixels.scalar_type(),
                  "; widen or convert them to uint8, int8, uint16, int16 or ", "float32.");
  }
}

OutputType output_type(at::ScalarType type) {
  if (type == at::kFloat) return OutputType::kFloat32;
  if (type == at::kHalf) return OutputType::kFloat16;
  TORCH_CHECK(type == at::kBFloat16, "image_preprocess: the output type ", type,
              " is not float32, float16 or bfloat16.");
  return OutputType::kBFloat16;
}

void check_pixels(const at::Tensor& pixels, at::Device device, std::size_t i) {
  TORCH_CHECK(pixels.defined(), "image_preprocess: image ", i, " has no pixels.");
  const bool gray = pixels.dim() == 2;
  TORCH_CHECK(gray || (pixels.dim() == 3 && pixels.size(2) == 3), "image_preprocess: image ", i,
              " has shape ", pixels.sizes(), "; it must be [H, W] or [H, W, 3].");
  TORCH_CHECK(pixels.is_contiguous(), "image_preprocess: image ", i,
              " is not contiguous; give it as a box of its contiguous parent, or copy it.");
  TORCH_CHECK(pixels.device() == device, "image_preprocess: image ", i, " is on ", pixels.device(),
              " but image 0 is on ", device, "; all images of a batch must be on one device.");
  const bool sized = pixels.size(0) >= 1 && pixels.size(1) >= 1 && pixels.size(0) <= kMaxSide &&
                     pixels.size(1) <= kMaxSide;
  TORCH_CHECK(sized, "image_preprocess: image ", i, " has shape ", pixels.sizes(),
              "; each side must be from 1 to ", kMaxSide, " pixels.");
}

Box checked_box(const PreprocessImage& image, std::size_t i) {
  const std::int64_t height = image.pixels.size(0), width = image.pixels.size(1);
  const Box& box = image.box;
  if (box.height == 0 && box.width == 0) return {0, 0, height, width};
  // Each comparison is safe for any int64: sums are not formed before the signs are known.
  const bool inside = box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
                      box.height <= height && box.width <= width &&
                      box.top <= height - box.height && box.left <= width - box.width;
  TORCH_CHECK(inside, "image_preprocess: the box of image ", i, " (top ", box.top, ", left ",
              box.left, ", height ", box.height, ", width ", box.width, ") is not inside its ",
              height, " x ", width, " pixels.");
  return box;
}

void check_table(const PreprocessImage& image, std::size_t i) {
  const at::Tensor& table = image.table;
  const bool valid = table.defined() && table.dim() == 1 && table.scalar_type() == at::kFloat &&
                     table.is_cpu() && table.size(0) >= 1 && table.size(0) <= kMaxSide;
  TORCH_CHECK(valid, "image_preprocess: the window table of image ", i,
              " must be a float32 tensor [K] on the CPU with 1 to ", kMaxSide, " entries.");
  TORCH_CHECK(image.pixels.scalar_type() != at::kFloat, "image_preprocess: image ", i,
              " has float32 pixels, which cannot index a window table.");
}

void check_window(const PreprocessImage& image, std::size_t i) {
  const bool finite = std::isfinite(image.slope) && std::isfinite(image.intercept) &&
                      std::isfinite(image.center) && std::isfinite(image.width);
  TORCH_CHECK(finite, "image_preprocess: slope, intercept, center and width of image ", i,
              " must be finite.");
  if (image.window == Window::kTable) check_table(image, i);
  if (image.window == Window::kLinear) {
    TORCH_CHECK(image.width >= 1, "image_preprocess: the linear window of image ", i, " has width ",
                image.width, "; DICOM demands at least 1.");
  } else if (image.window != Window::kNone && image.window != Window::kTable) {
    TORCH_CHECK(image.width > 0, "image_preprocess: the window of image ", i, " has width ",
                image.width, "; it must be positive.");
  }
  TORCH_CHECK(!image.has_padding || image.padding_low <= image.padding_high,
              "image_preprocess: the padding range of image ", i, " is empty: ", image.padding_low,
              " to ", image.padding_high, ".");
}

void check_spec(const PreprocessSpec& spec) {
  TORCH_CHECK(spec.channels == 1 || spec.channels == 3, "image_preprocess: ", spec.channels,
              " channels were asked for; 1 and 3 are possible.");
  const bool sized =
      spec.height >= 1 && spec.width >= 1 && spec.height <= kMaxSide && spec.width <= kMaxSide;
  TORCH_CHECK(sized, "image_preprocess: the output size ", spec.height, " x ", spec.width,
              " is not from 1 to ", kMaxSide, " pixels a side.");
  const auto fits = [&](const std::vector<double>& values) {
    return values.size() <= 1 || values.size() == static_cast<std::size_t>(spec.channels);
  };
  TORCH_CHECK(fits(spec.mean) && fits(spec.stddev), "image_preprocess: there are ",
              spec.mean.size(), " means and ", spec.stddev.size(), " standard deviations for ",
              spec.channels, " channels; give one for each channel, one for all, or none.");
  for (const double mean : spec.mean) {
    TORCH_CHECK(std::isfinite(mean), "image_preprocess: the mean ", mean, " is not finite.");
  }
  for (const double stddev : spec.stddev) {
    TORCH_CHECK(std::isfinite(stddev) && stddev > 0, "image_preprocess: the standard deviation ",
                stddev, " is not a positive number.");
  }
  TORCH_CHECK(std::isfinite(spec.pad_value), "image_preprocess: the padding value ", spec.pad_value,
              " is not finite.");
}

OutputPlan output_plan(const PreprocessSpec& spec) {
  OutputPlan out{};
  out.type = output_type(spec.dtype);
  out.channels = static_cast<std::int32_t>(spec.channels);
  out.height = static_cast<std::int32_t>(spec.height);
  out.width = static_cast<std::int32_t>(spec.width);
  out.pad_value = static_cast<float>(spec.pad_value);
  const auto of_channel = [](const std::vector<double>& values, std::size_t c, double otherwise) {
    return values.empty() ? otherwise : values[values.size() == 1 ? 0 : c];
  };
  for (std::size_t c = 0; c < static_cast<std::size_t>(spec.channels); ++c) {
    const double stddev = of_channel(spec.stddev, c, 1);
    out.gain[c] = static_cast<float>(1 / stddev);
    out.bias[c] = static_cast<float>(-of_channel(spec.mean, c, 0) / stddev);
  }
  return out;
}

const float* copy_table(const PreprocessImage& image, Plan& plan) {
  const float* from = image.table.const_data_ptr<float>();
  const std::int64_t stride = image.table.stride(0);
  std::vector<float> table(static_cast<std::size_t>(image.table.size(0)));
  for (std::size_t k = 0; k < table.size(); ++k) {
    const float value = from[static_cast<std::int64_t>(k) * stride];
    table[k] = image.invert ? 1 - value : value;
  }
  plan.tables.push_back(std::move(table));
  return plan.tables.back().data();
}

ImagePlan image_plan(const PreprocessImage& image, const PreprocessSpec& spec, std::size_t i,
                     AxisCache& axes, Plan& plan) {
  const Box box = checked_box(image, i);
  check_window(image, i);
  ImagePlan out{};
  out.type = pixel_type(image.pixels, i);
  out.op = window_op(image.window);
  out.components = image.pixels.dim() == 3 ? 3 : 1;
  out.has_padding = image.has_padding ? 1 : 0;
  out.row_stride = image.pixels.size(1) * out.components;
  out.box_offset = box.top * out.row_stride + box.left * out.components;
  out.pixels = static_cast<const char*>(image.pixels.const_data_ptr()) +
               out.box_offset * image.pixels.element_size();
  if (image.window == Window::kTable) out.table = copy_table(image, plan);
  const std::int64_t entries = image.window == Window::kTable ? image.table.size(0) : 0;
  out.window = fold_window(image, spec.pad_value, out.type != PixelType::kFloat32, entries);
  find_whole_window(image, out.type, out.window);
  place_image(box, spec, axes, out);
  return out;
}

}  // namespace

Plan make_plan(const std::vector<PreprocessImage>& images, const PreprocessSpec& spec) {
  check_spec(spec);
  Plan plan;
  plan.output = output_plan(spec);
  plan.tables.reserve(images.size());
  plan.images.reserve(images.size());
  AxisCache axes(plan.axes);
  for (std::size_t i = 0; i < images.size(); ++i) {
    check_pixels(images[i].pixels, images[0].pixels.device(), i);
    plan.images.push_back(image_plan(images[i], spec, i, axes, plan));
  }
  return plan;
}

}  // namespace salus::kernels::preprocess
