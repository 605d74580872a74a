#include "engine/io/npy_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/io/error.h"
#include "engine/io/npy.h"
#include "engine/io/npy_header.h"
#include "engine/io/numbers.h"
#include "engine/io/posix.h"
#include "engine/io/raster.h"
#include "engine/io/zip.h"

namespace salus::io {
namespace {

constexpr std::int64_t kMaxHeader = 1 << 20;

PixelType type_of(const std::string& dtype, const std::string& path) {
  if (dtype == "|b1") return PixelType::kU8;
  if (dtype == "<f2") return PixelType::kF32;
  if (dtype == "<i8") return PixelType::kI32;
  if (dtype == "<u8") return PixelType::kU32;
  for (const PixelType type :
       {PixelType::kU8, PixelType::kI8, PixelType::kU16, PixelType::kI16, PixelType::kU32,
        PixelType::kI32, PixelType::kF32, PixelType::kF64}) {
    if (dtype == numpy_name(type)) return type;
  }
  throw Error(
      fmt::format("{} has dtype {}, which no image has; save integers or floats.", path, dtype));
}

Image image_of(const NpyHeader& header, const std::string& path) {
  std::vector<std::int64_t> shape = header.shape;
  const std::size_t dimensions = shape.size();
  std::int64_t samples = 1;
  if (dimensions >= 3 && (shape.back() == 3 || shape.back() == 1)) {
    samples = shape.back();
    shape.pop_back();
  }
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  if (shape.size() != 3) {
    throw Error(
        fmt::format("{} has {} dimensions; an image is [H, W], [frames, H, W] or those with 3 "
                    "colours last.",
                    path, dimensions));
  }
  return make_image("NPY", type_of(header.dtype, path), shape[0], shape[1], shape[2], samples);
}

template <typename T>
void convert(const NpyArray& array, const std::string& path, std::vector<std::byte>& out) {
  for (std::int64_t i = 0; i < array.count(); ++i) {
    T value;
    if (array.dtype == "<f2") {
      value = static_cast<T>(array.at(i));
    } else {
      std::int64_t wide;
      std::memcpy(&wide, array.bytes.data() + 8 * i, 8);
      value = static_cast<T>(wide);
      if (static_cast<std::int64_t>(value) != wide) {
        throw Error(fmt::format(
            "{} holds a 64-bit value that does not fit 32 bits; save it as floats.", path));
      }
    }
    std::memcpy(out.data() + i * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
  }
}

std::vector<std::byte> pixels_of(NpyArray array, PixelType type, const std::string& path) {
  if (array.bytes.size() == static_cast<std::size_t>(array.count()) * size_of(type)) {
    return std::move(array.bytes);
  }
  std::vector<std::byte> out(static_cast<std::size_t>(array.count()) * size_of(type));
  if (type == PixelType::kF32) convert<float>(array, path, out);
  if (type == PixelType::kI32) convert<std::int32_t>(array, path, out);
  if (type == PixelType::kU32) convert<std::uint32_t>(array, path, out);
  return out;
}

constexpr std::string_view kEnding = ".npy";
constexpr std::size_t kMostNames = 10;  // of arrays, in a message

/// The only array of an archive.
const ZipEntry& only_array(const ZipReader& zip, const std::string& path) {
  std::vector<std::string> names;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(kEnding)) {
      throw Error(fmt::format(
          "{} is a zip archive, not one image (nor an NPZ of arrays); unpack it.", path));
    }
    names.push_back(entry.name.substr(0, entry.name.size() - kEnding.size()));
  }
  if (names.size() == 1) return zip.entries()[0];
  const std::size_t count = names.size();
  names.resize(std::min(count, kMostNames));
  throw Error(fmt::format(
      "{} is an NPZ archive of {} arrays ({}{}), not one image; save each as a file and list them "
      "in a manifest, or name the archive as npz in the configuration's [data].",
      path, count, fmt::join(names, ", "), count > kMostNames ? ", ..." : ""));
}

}  // namespace

Image read_npz_image(const std::string& path, const ReadLimits& limits, bool with_pixels) {
  const ZipReader zip(path);
  const ZipEntry& entry = only_array(zip, path);
  if (entry.size < 0 ||
      (entry.size > kMaxHeader && entry.size - kMaxHeader > limits.max_pixel_bytes)) {
    throw Error(fmt::format("{} unpacks to {} bytes, more than the {} allowed for one image.", path,
                            entry.size, limits.max_pixel_bytes));
  }
  const std::vector<std::byte> bytes = zip.read(entry);
  Image image = image_of(parse_npy_header(bytes, path), path);
  image.format = "NPZ";
  checked_pixel_bytes(image, path, limits);
  if (!with_pixels) return image;
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(
      pixels_of(parse_npy(bytes, path), image.pixels.type, path));
  return image;
}

Image read_npy_image(const std::string& path, const ReadLimits& limits, bool with_pixels) {
  const InputFile file(path);
  const NpyHeader header = parse_npy_header(file.read_up_to(0, kMaxHeader), path);
  Image image = image_of(header, path);
  checked_pixel_bytes(image, path, limits);
  const std::int64_t expected = checked_bytes(header.shape, header.item_size);
  if (file.size() - static_cast<std::int64_t>(header.data_offset) < expected) {
    throw Error(fmt::format(
        "{} is shorter than its shape needs; the file is truncated, save it again.", path));
  }
  if (!with_pixels) return image;
  image.pixels.bytes =
      std::make_shared<std::vector<std::byte>>(pixels_of(read_npy(path), image.pixels.type, path));
  return image;
}

}  // namespace salus::io
