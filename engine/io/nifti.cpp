// A parser of our own rather than niftilib, which zero-fills truncated files and believes any size.
#include "engine/io/nifti.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/inflate.h"
#include "engine/io/nifti_header.h"
#include "engine/io/numbers.h"
#include "engine/io/posix.h"
#include "engine/io/raster.h"

namespace salus::io {
namespace {

constexpr std::int64_t kGzipHead = 4096;  // compressed bytes that hold the header with certainty
constexpr double kMaxOffset = 1e15;

bool is_gzip(std::span<const std::byte> head) {
  return head.size() > 2 && load_be<std::uint16_t>(head, 0) == 0x1f8b;
}

// How a stored type is read.
struct Layout {
  PixelType type;
  std::int64_t stored;        // bytes of one value in the file
  std::int64_t samples = 1;   // of the image
  std::int64_t channels = 1;  // in the file
};

Layout layout_of(int datatype, const std::string& origin) {
  switch (datatype) {
    case 2:
      return {PixelType::kU8, 1};
    case 256:
      return {PixelType::kI8, 1};
    case 4:
      return {PixelType::kI16, 2};
    case 512:
      return {PixelType::kU16, 2};
    case 8:
      return {PixelType::kI32, 4};
    case 768:
      return {PixelType::kU32, 4};
    case 16:
      return {PixelType::kF32, 4};
    case 64:
      return {PixelType::kF64, 8};
    case 1024:
      return {PixelType::kI32, 8};
    case 1280:
      return {PixelType::kU32, 8};
    case 128:
      return {PixelType::kU8, 1, 3, 3};
    case 2304:
      return {PixelType::kU8, 1, 3, 4};
    default:
      throw Error(
          fmt::format("{} has the NIfTI datatype {}, which is not read; save it as integers of up "
                      "to 32 bits or as floats.",
                      origin, datatype));
  }
}

struct Extent {
  std::int64_t columns = 1, rows = 1, slices = 1, volumes = 1;
};

Extent extent_of(const NiftiHeader& header, const std::string& origin) {
  const std::int64_t dimensions = header.dim[0];
  if (dimensions < 1 || dimensions > 7) {
    throw Error(fmt::format("{} claims {} dimensions; the NIfTI header is damaged, fetch it again.",
                            origin, dimensions));
  }
  std::array<std::int64_t, 8> dim{};
  dim.fill(1);
  for (std::int64_t i = 1; i <= dimensions; ++i) dim[i] = header.dim[i];
  for (std::int64_t i = 1; i <= dimensions; ++i) {
    if (dim[i] >= 1 && (i < 5 || dim[i] == 1)) continue;
    throw Error(
        fmt::format("{} has the extent {} in dimension {}; two to four dimensions of at least 1 "
                    "are read.",
                    origin, dim[i], i));
  }
  return {dim[1], dim[2], dim[3], dim[4]};
}

double length(const std::array<double, 3>& v) { return std::hypot(v[0], v[1], v[2]); }

void set_geometry(const NiftiHeader& header, const Extent& extent, Image& image) {
  const double mm = nifti_unit_mm(header);
  std::array<std::array<double, 4>, 3> affine{};
  if (!nifti_affine(header, affine)) {
    const double rows = std::abs(header.pixdim[2]) * mm, columns = std::abs(header.pixdim[1]) * mm;
    if (rows > 0 && columns > 0 && std::isfinite(rows * columns))
      image.pixel_spacing = {rows, columns};
    return;
  }
  std::array<std::array<double, 3>, 4> axis{};  // i, j, k and the origin, in LPS
  const double to_lps[3] = {-mm, -mm, mm};
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t r = 0; r < 3; ++r) axis[c][r] = affine[r][c] * to_lps[r];
  }
  const double step_i = length(axis[0]), step_j = length(axis[1]);
  const double all = step_i + step_j + length(axis[2]) + length(axis[3]);
  if (!(step_i > 0) || !(step_j > 0) || !std::isfinite(all)) {
    image.warnings.push_back(
        "The geometry of the file is singular or not finite and was left out.");
    return;
  }
  image.pixel_spacing = {step_j, step_i};
  if (header.length_unit == 0) {
    image.warnings.push_back(
        "The file does not say its unit of length; millimetres are assumed, as is usual.");
  }
  for (std::int64_t frame = 0; frame < image.pixels.frames; ++frame) {
    const auto k = static_cast<double>(frame % extent.slices);
    Geometry g;
    for (std::size_t r = 0; r < 3; ++r) {
      g.origin[r] = axis[3][r] + k * axis[2][r];
      g.row_cosine[r] = axis[0][r] / step_i;
      g.column_cosine[r] = axis[1][r] / step_j;
    }
    image.geometry.push_back(g);
  }
}

void set_rescale(const NiftiHeader& header, const Layout& layout, const std::string& origin,
                 Image& image) {
  // nifti1.h: a slope of 0 means no scaling; it does not concern colour.
  if (layout.samples != 1 || header.slope == 0 || !std::isfinite(header.slope)) return;
  if (!std::isfinite(header.intercept)) {
    throw Error(fmt::format("{} has an scl_inter that is not finite; repair the header.", origin));
  }
  image.gray[0].slope = header.slope;
  image.gray[0].intercept = header.intercept;
  image.gray[0].has_rescale = true;
}

// Gives at least `header` bytes if the file has them.
std::vector<std::byte> read_head(const InputFile& file) {
  auto head = file.read_up_to(0, kGzipHead);
  if (is_gzip(head)) return inflate_head(head, kNifti2Size, DeflateFormat::kGzip, file.path());
  return head;
}

// The bytes [offset, offset + size) of the plain or unpacked file. Extra bytes behind are no error.
std::vector<std::byte> read_body(const InputFile& file, std::int64_t offset, std::int64_t size) {
  const bool packed = is_gzip(file.read_up_to(0, 3));
  if (!packed && file.size() - offset >= size) return file.read_up_to(offset, size);
  std::int64_t have = file.size() - offset;
  if (packed) {
    // One byte more than needed: reaching the end of the stream verifies its checksum.
    auto bytes = inflate_head(file.read_up_to(0, file.size()), offset + size + 1,
                              DeflateFormat::kGzip, file.path());
    have = static_cast<std::int64_t>(bytes.size()) - offset;
    if (have >= size) {
      bytes.resize(static_cast<std::size_t>(offset + size));
      bytes.erase(bytes.begin(), bytes.begin() + offset);
      return bytes;
    }
  }
  throw Error(
      fmt::format("{} holds {} bytes of pixels where its header claims {}; the file is "
                  "truncated, fetch it again.",
                  file.path(), std::max<std::int64_t>(0, have), size));
}

// 64-bit integers that fit 32 bits, to 32 bits.
template <typename Wide, typename Narrow>
std::vector<std::byte> narrow(const std::vector<std::byte>& bytes, const std::string& origin) {
  std::vector<std::byte> out(bytes.size() / 2);
  for (std::size_t i = 0; i < out.size() / 4; ++i) {
    Wide wide;
    std::memcpy(&wide, bytes.data() + 8 * i, 8);
    const auto value = static_cast<Narrow>(wide);
    if (static_cast<Wide>(value) != wide) {
      throw Error(
          fmt::format("{} holds the 64-bit value {}, which does not fit 32 bits; save it as "
                      "floats.",
                      origin, wide));
    }
    std::memcpy(out.data() + 4 * i, &value, 4);
  }
  return out;
}

std::vector<std::byte> drop_alpha(const std::vector<std::byte>& rgba) {
  std::vector<std::byte> rgb(rgba.size() / 4 * 3);
  for (std::size_t i = 0; i < rgba.size() / 4; ++i) {
    std::memcpy(rgb.data() + 3 * i, rgba.data() + 4 * i, 3);
  }
  return rgb;
}

std::vector<std::byte> to_pixels(std::vector<std::byte> bytes, const Layout& layout,
                                 const NiftiHeader& header, const std::string& origin) {
  if (header.big_endian) swap_bytes(bytes, static_cast<std::size_t>(layout.stored));
  if (layout.channels == 4) return drop_alpha(bytes);
  if (layout.stored == 8 && layout.type == PixelType::kI32) {
    return narrow<std::int64_t, std::int32_t>(bytes, origin);
  }
  if (layout.stored == 8 && layout.type == PixelType::kU32) {
    return narrow<std::uint64_t, std::uint32_t>(bytes, origin);
  }
  return bytes;
}

}  // namespace

bool looks_like_nifti(std::span<const std::byte> head) {
  if (!is_gzip(head)) return nifti_header_size(head) != 0;
  try {
    return nifti_header_size(inflate_head(head, kNifti2Size, DeflateFormat::kGzip, "")) != 0;
  } catch (const Error&) {
    return false;  // gzip of something else, or too little of it
  }
}

Image read_nifti(const std::string& path, const ReadLimits& limits, bool with_pixels) {
  const InputFile file(path);
  if (file.size() > limits.max_file_bytes) {
    throw Error(fmt::format("{} has {} bytes, more than the {} allowed for one file.", path,
                            file.size(), limits.max_file_bytes));
  }
  const auto head = read_head(file);
  if (nifti_header_size(head) == 0) {
    throw Error(fmt::format("{} does not begin with a NIfTI header.", path));
  }
  const NiftiHeader header = parse_nifti_header(head, path);
  const Layout layout = layout_of(header.datatype, path);
  const Extent extent = extent_of(header, path);
  const std::int64_t shape[] = {extent.slices, extent.volumes};
  Image image = make_image("NIfTI", layout.type, checked_bytes(shape, 1), extent.rows,
                           extent.columns, layout.samples);
  checked_pixel_bytes(image, path, limits);
  const double least = static_cast<double>(nifti_header_size(head));
  if (!(header.vox_offset >= least) || header.vox_offset > kMaxOffset ||
      header.vox_offset != std::floor(header.vox_offset)) {
    throw Error(
        fmt::format("{} says that its pixels begin at byte {}; the NIfTI header is damaged.", path,
                    header.vox_offset));
  }
  set_geometry(header, extent, image);
  set_rescale(header, layout, path, image);
  const std::int64_t size =
      image.pixels.frames * extent.rows * extent.columns * layout.channels * layout.stored;
  const auto offset = static_cast<std::int64_t>(header.vox_offset);
  if (with_pixels) {
    image.pixels.bytes = std::make_shared<std::vector<std::byte>>(
        to_pixels(read_body(file, offset, size), layout, header, path));
  }
  return image;
}

}  // namespace salus::io
