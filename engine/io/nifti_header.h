#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace salus::io {

constexpr std::size_t kNifti1Size = 348, kNifti2Size = 540;

/// The fields of a NIfTI-1 or -2 header that concern the pixels, in native byte order.
struct NiftiHeader {
  bool big_endian = false;
  std::array<std::int64_t, 8> dim{};
  int datatype = 0;
  std::array<double, 8> pixdim{};
  double vox_offset = 0;
  double slope = 0, intercept = 0;
  int length_unit = 0;  ///< 0 unknown, 1 metre, 2 millimetre, 3 micrometre
  int qform_code = 0, sform_code = 0;
  std::array<double, 3> quaternion{}, offset{};
  std::array<std::array<double, 4>, 3> srow{};
};

/// Size of the header that `head` begins with (348 or 540), or 0 if it is no NIfTI header.
std::size_t nifti_header_size(std::span<const std::byte> head);

/// \param head  at least nifti_header_size(head) bytes, which is not 0.
/// \throws salus::Error naming `origin` for an .hdr/.img pair.
NiftiHeader parse_nifti_header(std::span<const std::byte> head, const std::string& origin);

/// Voxel index (i, j, k) to millimetres in RAS: the sform, else the qform.
/// \returns false if the header has neither.
bool nifti_affine(const NiftiHeader& header, std::array<std::array<double, 4>, 3>& affine);

/// Millimetres of the header's unit of length; unknown counts as millimetre.
double nifti_unit_mm(const NiftiHeader& header);

}  // namespace salus::io
