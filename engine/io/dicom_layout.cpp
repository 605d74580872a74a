#include "engine/io/dicom_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace salus::io::dicom {
namespace {

std::int64_t required(ParsedFile& file, Tag tag, std::int64_t low, std::int64_t high) {
  const std::optional<std::int64_t> value = integer(*file.source, file.data, tag);
  if (!value) file.source->fail(fmt::format("{} is missing.", tag_name(tag)));
  if (*value < low || *value > high) {
    file.source->fail(
        fmt::format("{} is {}; Salus reads {} to {}.", tag_name(tag), *value, low, high));
  }
  return *value;
}

std::int64_t optional_value(ParsedFile& file, Tag tag, std::int64_t fallback) {
  const std::optional<std::int64_t> value = integer(*file.source, file.data, tag);
  if (value) return *value;
  file.warnings.push_back(fmt::format("{} is missing; {} was assumed.", tag_name(tag), fallback));
  return fallback;
}

void find_pixels(ParsedFile& file, PixelLayout& layout) {
  for (const Tag tag : {kPixelData, kFloatPixels, kDoublePixels}) {
    if (const Element* element = file.data.find(tag)) layout.element = element;
  }
  if (layout.element) return;
  const std::string modality = text(*file.source, file.data, kModality);
  file.source->fail(fmt::format("it has no pixel data{}.",
                                modality.empty() ? "" : " (Modality " + modality + ")"));
}

void read_size(ParsedFile& file, PixelLayout& layout) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  layout.rows = required(file, kRows, 1, kMost);
  layout.columns = required(file, kColumns, 1, kMost);
  const std::optional<std::int64_t> frames = integer(*file.source, file.data, kFrames);
  layout.frames = frames.value_or(1);
  if (frames && *frames == 0) {
    layout.frames = 1;
    file.warnings.push_back(fmt::format("{} is 0; 1 was assumed.", tag_name(kFrames)));
  }
  if (layout.frames < 0 || layout.frames > kMost) {
    file.source->fail(fmt::format("{} is {}.", tag_name(kFrames), layout.frames));
  }
}

void read_photometric(ParsedFile& file, PixelLayout& layout) {
  constexpr std::array<std::string_view, 11> kKnown = {
      "MONOCHROME1",     "MONOCHROME2",     "PALETTE COLOR", "RGB",     "YBR_FULL", "YBR_FULL_422",
      "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT",       "YBR_RCT", "XYB"};
  std::string& name = layout.photometric;
  name = text(*file.source, file.data, kPhotometric);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  layout.samples = static_cast<int>(integer(*file.source, file.data, kSamples)
                                        .value_or(name == "RGB" || layout.is_ybr() ? 3 : 1));
  if (layout.samples != 1 && layout.samples != 3) {
    file.source->fail(
        fmt::format("{} is {}; Salus reads 1 or 3.", tag_name(kSamples), layout.samples));
  }
  if (name.empty()) {
    name = layout.samples == 1 ? "MONOCHROME2" : "RGB";
    file.warnings.push_back(
        fmt::format("{} is missing; {} was assumed.", tag_name(kPhotometric), name));
  }
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end() || name == "XYB") {
    file.source->fail(
        fmt::format("{} is '{}', which Salus does not read.", tag_name(kPhotometric), name));
  }
  const bool colour = name == "RGB" || layout.is_ybr();
  if (colour != (layout.samples == 3)) {
    file.source->fail(fmt::format("{} is {} but {} is {}.", tag_name(kSamples), layout.samples,
                                  tag_name(kPhotometric), name));
  }
  const auto planar = integer(*file.source, file.data, kPlanar).value_or(0);
  layout.planar = colour && planar == 1;
}

void read_bits(ParsedFile& file, PixelLayout& layout) {
  if (layout.element->tag != kPixelData) {
    layout.is_float = true;
    layout.bits_allocated = layout.element->tag == kFloatPixels ? 32 : 64;
    layout.bits_stored = layout.bits_allocated;
    layout.high_bit = layout.bits_stored - 1;
    if (layout.samples != 1) file.source->fail("its float pixels have more than one sample.");
    return;
  }
  const int allocated = static_cast<int>(required(file, kBitsAllocated, 1, 32));
  layout.bits_allocated = allocated;
  layout.bits_stored = static_cast<int>(optional_value(file, kBitsStored, allocated));
  if (layout.bits_stored < 1 || layout.bits_stored > allocated) {
    file.source->fail(fmt::format("{} is {} but {} is {}.", tag_name(kBitsStored),
                                  layout.bits_stored, tag_name(kBitsAllocated), allocated));
  }
  const int usual = layout.bits_stored - 1;
  layout.high_bit = static_cast<int>(integer(*file.source, file.data, kHighBit).value_or(usual));
  if (layout.high_bit < usual || layout.high_bit >= allocated) {
    file.warnings.push_back(
        fmt::format("{} is {}, which {} stored of {} allocated bits exclude; "
                    "{} was assumed.",
                    tag_name(kHighBit), layout.high_bit, layout.bits_stored, allocated, usual));
    layout.high_bit = usual;
  }
  const std::int64_t representation = optional_value(file, kPixelRepresentation, 0);
  if (representation != 0 && representation != 1) {
    file.source->fail(fmt::format("{} is {}; it must be 0 or 1.", tag_name(kPixelRepresentation),
                                  representation));
  }
  layout.is_signed = representation == 1 && allocated > 1;
}

/// The decoded size, with room for what a palette makes of it, against the limit.
void check_limit(ParsedFile& file, const PixelLayout& layout, const ReadLimits& limits) {
  std::int64_t left = limits.max_pixel_bytes / static_cast<std::int64_t>(size_of(layout.type()));
  if (layout.samples == 3) left /= 3;
  if (layout.is_palette()) left /= 6;
  for (const std::int64_t factor : {layout.rows, layout.columns, layout.frames}) left /= factor;
  if (left < 1) {
    file.source->fail(
        fmt::format("it claims {} frames of {} x {} pixels, more than the limit of {} bytes.",
                    layout.frames, layout.rows, layout.columns, limits.max_pixel_bytes));
  }
}

}  // namespace

PixelType PixelLayout::type() const {
  if (is_float) return bits_allocated == 32 ? PixelType::kF32 : PixelType::kF64;
  if (bits_allocated <= 8) return is_signed ? PixelType::kI8 : PixelType::kU8;
  if (bits_allocated <= 16) return is_signed ? PixelType::kI16 : PixelType::kU16;
  return is_signed ? PixelType::kI32 : PixelType::kU32;
}

std::int64_t PixelLayout::native_bits_per_frame() const {
  const std::int64_t bits = values_per_frame() * bits_allocated;
  return is_422() ? bits / 3 * 2 : bits;
}

PixelLayout read_layout(ParsedFile& file, const ReadLimits& limits) {
  PixelLayout layout;
  find_pixels(file, layout);
  read_size(file, layout);
  read_photometric(file, layout);
  read_bits(file, layout);
  check_limit(file, layout, limits);
  return layout;
}

}  // namespace salus::io::dicom
