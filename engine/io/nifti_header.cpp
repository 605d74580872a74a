#include "engine/io/nifti_header.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <string_view>

#include "engine/io/error.h"
#include "engine/io/numbers.h"

namespace salus::io {
namespace {

// Reads fields at their offsets (nifti1.h, nifti2.h) in the byte order of the file.
class Fields {
 public:
  Fields(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_(big_endian) {}

  template <typename T>
  T load(std::size_t at) const {
    return big_ ? load_be<T>(bytes_, at) : load_le<T>(bytes_, at);
  }
  int i16(std::size_t at) const { return static_cast<std::int16_t>(load<std::uint16_t>(at)); }
  int i32(std::size_t at) const { return static_cast<std::int32_t>(load<std::uint32_t>(at)); }
  std::int64_t i64(std::size_t at) const {
    return static_cast<std::int64_t>(load<std::uint64_t>(at));
  }
  double f32(std::size_t at) const { return std::bit_cast<float>(load<std::uint32_t>(at)); }
  double f64(std::size_t at) const { return std::bit_cast<double>(load<std::uint64_t>(at)); }

 private:
  std::span<const std::byte> bytes_;
  bool big_;
};

NiftiHeader parse_version1(const Fields& in) {
  NiftiHeader header;
  for (std::size_t i = 0; i < 8; ++i) header.dim[i] = in.i16(40 + 2 * i);
  for (std::size_t i = 0; i < 8; ++i) header.pixdim[i] = in.f32(76 + 4 * i);
  header.datatype = in.i16(70);
  header.vox_offset = in.f32(108);
  header.slope = in.f32(112);
  header.intercept = in.f32(116);
  header.length_unit = in.load<std::uint8_t>(123) & 7;
  header.qform_code = in.i16(252);
  header.sform_code = in.i16(254);
  for (std::size_t i = 0; i < 3; ++i) header.quaternion[i] = in.f32(256 + 4 * i);
  for (std::size_t i = 0; i < 3; ++i) header.offset[i] = in.f32(268 + 4 * i);
  for (std::size_t i = 0; i < 12; ++i) header.srow[i / 4][i % 4] = in.f32(280 + 4 * i);
  return header;
}

NiftiHeader parse_version2(const Fields& in) {
  NiftiHeader header;
  for (std::size_t i = 0; i < 8; ++i) header.dim[i] = in.i64(16 + 8 * i);
  for (std::size_t i = 0; i < 8; ++i) header.pixdim[i] = in.f64(104 + 8 * i);
  header.datatype = in.i16(12);
  header.vox_offset = static_cast<double>(in.i64(168));
  header.slope = in.f64(176);
  header.intercept = in.f64(184);
  header.length_unit = in.i32(500) & 7;
  header.qform_code = in.i32(344);
  header.sform_code = in.i32(348);
  for (std::size_t i = 0; i < 3; ++i) header.quaternion[i] = in.f64(352 + 8 * i);
  for (std::size_t i = 0; i < 3; ++i) header.offset[i] = in.f64(376 + 8 * i);
  for (std::size_t i = 0; i < 12; ++i) header.srow[i / 4][i % 4] = in.f64(400 + 8 * i);
  return header;
}

std::string_view text_at(std::span<const std::byte> head, std::size_t at, std::size_t size) {
  return {reinterpret_cast<const char*>(head.data()) + at, size};
}

}  // namespace

std::size_t nifti_header_size(std::span<const std::byte> head) {
  if (head.size() < kNifti1Size) return 0;
  const std::uint32_t little = load_le<std::uint32_t>(head, 0);
  const std::uint32_t big = load_be<std::uint32_t>(head, 0);
  if (little == kNifti1Size || big == kNifti1Size) {
    const std::string_view magic = text_at(head, 344, 3);
    return magic == "n+1" || magic == "ni1" ? kNifti1Size : 0;
  }
  const bool is2 = little == kNifti2Size || big == kNifti2Size;
  const std::string_view magic = text_at(head, 4, 3);
  return is2 && head.size() >= kNifti2Size && (magic == "n+2" || magic == "ni2") ? kNifti2Size : 0;
}

NiftiHeader parse_nifti_header(std::span<const std::byte> head, const std::string& origin) {
  const bool is1 = nifti_header_size(head) == kNifti1Size;
  if (text_at(head, is1 ? 344 : 4, 2) == "ni") {
    throw Error(fmt::format(
        "{} is the header of an .hdr/.img pair; convert the pair to one .nii file.", origin));
  }
  const bool big_endian = load_be<std::uint32_t>(head, 0) == (is1 ? kNifti1Size : kNifti2Size);
  const Fields fields(head, big_endian);
  NiftiHeader header = is1 ? parse_version1(fields) : parse_version2(fields);
  header.big_endian = big_endian;
  return header;
}

bool nifti_affine(const NiftiHeader& header, std::array<std::array<double, 4>, 3>& affine) {
  if (header.sform_code > 0) {
    affine = header.srow;
    return true;
  }
  if (header.qform_code <= 0) return false;
  // nifti1.h, "QUATERNION REPRESENTATION OF ROTATION MATRIX (METHOD 2)".
  const auto [b, c, d] = header.quaternion;
  const double rest = 1 - (b * b + c * c + d * d);
  const double a = rest > 0 ? std::sqrt(rest) : 0;
  const double rotation[3][3] = {
      {a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c},
      {2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b},
      {2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b}};
  const double handedness = header.pixdim[0] < 0 ? -1 : 1;
  for (std::size_t row = 0; row < 3; ++row) {
    affine[row] = {rotation[row][0] * header.pixdim[1], rotation[row][1] * header.pixdim[2],
                   rotation[row][2] * header.pixdim[3] * handedness, header.offset[row]};
  }
  return true;
}

double nifti_unit_mm(const NiftiHeader& header) {
  return header.length_unit == 1 ? 1000.0 : header.length_unit == 3 ? 0.001 : 1.0;
}

}  // namespace salus::io
