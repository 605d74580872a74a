#include "engine/data/transform.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <cmath>

#include "engine/data/window.h"
#include "engine/io/error.h"

namespace salus::data {
namespace {

using kernels::Fit;
using kernels::PreprocessImage;
using kernels::Resize;

template <typename T>
T choice(const Config& table, const std::string& key,
         const std::vector<std::pair<std::string, T>>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  const auto chosen = table.get_choice(key, names, names[0]);
  for (const auto& [name, value] : choices) {
    if (name == chosen) return value;
  }
  return choices[0].second;
}

std::int64_t positive(const Config& table, const std::string& key, double value, double limit) {
  if (value >= 1 && value <= limit && value == std::floor(value)) {
    return static_cast<std::int64_t>(value);
  }
  throw UsageError(fmt::format("{} must be whole numbers from 1 to {}.", table.where(key), limit));
}

std::vector<double> per_channel(const Config& table, const std::string& key, double fallback,
                                std::int64_t channels) {
  auto values = table.get_doubles(key, {fallback});
  if (values.size() != 1 && static_cast<std::int64_t>(values.size()) != channels) {
    throw UsageError(fmt::format("{} must hold 1 or {} numbers (one per channel), not {}.",
                                 table.where(key), channels, values.size()));
  }
  return values;
}

template <typename T>
at::Tensor widen(const io::Pixels& pixels, std::int64_t frame, at::IntArrayRef shape) {
  auto result = at::empty(shape, at::kFloat);
  const T* from = pixels.frame_as<T>(frame);
  auto* to = result.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < pixels.values_per_frame(); ++i) to[i] = static_cast<float>(from[i]);
  return result;
}

/// A call of its own, because GCC 12 leaves the rounding out where it makes one vector of two bounds.
[[gnu::noinline]] float as_float(double bound) { return static_cast<float>(bound); }

/// A bound of the padding, rounded as the pixels are where `widened` to float32.
double padding_bound(double bound, bool widened) { return widened ? as_float(bound) : bound; }

/// The frame as a tensor [H, W] or [H, W, 3] on the memory of the image.
at::Tensor share(const io::Pixels& pixels, std::int64_t frame, at::ScalarType dtype,
                 at::IntArrayRef shape) {
  auto owner = pixels.bytes;
  auto* data = const_cast<std::byte*>(pixels.frame(frame));
  return at::from_blob(data, shape, [owner](void*) {}, at::TensorOptions().dtype(dtype));
}

at::Tensor frame_tensor(const io::Pixels& pixels, std::int64_t frame) {
  std::vector<std::int64_t> shape{pixels.rows, pixels.columns};
  if (pixels.samples == 3) shape.push_back(3);
  switch (pixels.type) {
    case io::PixelType::kU8:
      return share(pixels, frame, at::kByte, shape);
    case io::PixelType::kI8:
      return share(pixels, frame, at::kChar, shape);
    case io::PixelType::kU16:
      return share(pixels, frame, at::kUInt16, shape);
    case io::PixelType::kI16:
      return share(pixels, frame, at::kShort, shape);
    case io::PixelType::kF32:
      return share(pixels, frame, at::kFloat, shape);
    case io::PixelType::kU32:
      return widen<std::uint32_t>(pixels, frame, shape);
    case io::PixelType::kI32:
      return widen<std::int32_t>(pixels, frame, shape);
    case io::PixelType::kF64:
      return widen<double>(pixels, frame, shape);
  }
  return {};
}

}  // namespace

Transform::Transform(const Config& table) {
  table.get_choice("modality", {"image"}, "image");
  const auto size = table.get_doubles("size", {224, 224});
  if (size.size() != 2) {
    throw UsageError(fmt::format("{} must be [height, width].", table.where("size")));
  }
  spec_.height = positive(table, "size", size[0], 16384);
  spec_.width = positive(table, "size", size[1], 16384);
  spec_.channels = table.get_int("channels", 1);
  if (spec_.channels != 1 && spec_.channels != 3) {
    throw UsageError(fmt::format("{} must be 1 or 3.", table.where("channels")));
  }
  spec_.resize = choice<Resize>(table, "resize",
                                {{"area", Resize::kArea},
                                 {"bilinear", Resize::kBilinear},
                                 {"bilinear-antialias", Resize::kBilinearAntialias},
                                 {"nearest", Resize::kNearest}});
  spec_.fit = choice<Fit>(table, "fit",
                          {{"stretch", Fit::kStretch}, {"pad", Fit::kPad}, {"crop", Fit::kCrop}});
  spec_.pad_value = table.get_double("pad_value", 0);
  spec_.mean = per_channel(table, "mean", 0, spec_.channels);
  spec_.stddev = per_channel(table, "std", 1, spec_.channels);
  for (double deviation : spec_.stddev) {
    if (!(deviation > 0)) {
      throw UsageError(fmt::format("{} must be above 0.", table.where("std")));
    }
  }
  pool_max_ = table.get_choice("pool", {"mean", "max"}, "mean") == "max";
  equalize_ = Equalize(table);
  read_window(table);
  read_frames(table);
  table.reject_unknown();
}

void Transform::read_window(const Config& table) {
  if (table.is_list("window")) {
    const auto values = table.get_doubles("window");
    if (values.size() != 2 || !(values[1] >= 1)) {
      throw UsageError(
          fmt::format("{} must be [centre, width] with a width of at least 1, in "
                      "modality units.",
                      table.where("window")));
    }
    window_ = WindowKind::kFixed;
    center_ = values[0];
    width_ = values[1];
    return;
  }
  window_ = choice<WindowKind>(
      table, "window",
      {{"full", WindowKind::kFull}, {"file", WindowKind::kFile}, {"minmax", WindowKind::kMinMax}});
}

void Transform::read_frames(const Config& table) {
  if (table.is_number("frames")) {
    frames_ = FrameChoice::kIndex;
    frame_index_ = table.get_int("frames");
    if (frame_index_ < 0) {
      throw UsageError(fmt::format("{} must not be negative.", table.where("frames")));
    }
    return;
  }
  frames_ = choice<FrameChoice>(table, "frames",
                                {{"middle", FrameChoice::kMiddle},
                                 {"first", FrameChoice::kFirst},
                                 {"all", FrameChoice::kAll}});
}

std::vector<std::int64_t> Transform::frames(const io::Image& image) const {
  const auto count = image.pixels.frames;
  if (count < 1) throw Error("The image has no frames.");
  switch (frames_) {
    case FrameChoice::kFirst:
      return {0};
    case FrameChoice::kMiddle:
      return {count / 2};
    case FrameChoice::kIndex:
      if (frame_index_ >= count) {
        throw Error(
            fmt::format("The transform scores frame {} (counted from 0), but the image has "
                        "only {}.",
                        frame_index_, count));
      }
      return {frame_index_};
    case FrameChoice::kAll:
      break;
  }
  std::vector<std::int64_t> all(count);
  for (std::int64_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

PreprocessImage Transform::compile(const io::Image& image, std::int64_t frame) const {
  if (!image.pixels.bytes) throw Error("The image's pixels were not read, only its header.");
  PreprocessImage out;
  out.pixels = frame_tensor(image.pixels, frame);
  out.invert = image.monochrome1;
  if (const auto& padding = image.padding_of(frame); padding && image.pixels.samples == 1) {
    out.has_padding = true;
    const bool widened =
        out.pixels.scalar_type() == at::kFloat && image.pixels.type != io::PixelType::kF32;
    out.padding_low = padding_bound(padding->low, widened);
    out.padding_high = padding_bound(padding->high, widened);
  }
  if (equalize_) {
    equalize_.apply(image, frame, out);
    return out;
  }
  if (image.pixels.samples == 3) {  // windows and rescale are for grayscale only (C.11.2.1.2)
    use_full_range(image, frame, out);
    return out;
  }
  switch (window_) {
    case WindowKind::kFixed:
      use_fixed_window(image, frame, center_, width_, out);
      break;
    case WindowKind::kFile:
      use_file_window(image, frame, out);
      break;
    case WindowKind::kFull:
      use_full_range(image, frame, out);
      break;
    case WindowKind::kMinMax:
      use_minmax(image, frame, out);
      break;
  }
  return out;
}

at::Tensor Transform::apply(const io::Image& image, std::int64_t frame) const {
  return kernels::image_preprocess({compile(image, frame)}, spec_)[0];
}

}  // namespace salus::data
