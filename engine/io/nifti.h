#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/io/image.h"

namespace salus::io {

/// True if the first bytes are those of a NIfTI-1 or NIfTI-2 file (of ANALYZE pairs: no), gzipped
/// or not. At least 544 bytes of the plain or 4096 of the gzipped file should be given.
bool looks_like_nifti(std::span<const std::byte> head);

/// Reads a single-file NIfTI-1 or NIfTI-2 image (.nii, .nii.gz), of either byte order, two to four
/// dimensions; known by content.
///
/// Voxels stay as stored: column index is the file's i, row index its j, and frames are slices k of
/// the first volume, then of the next. scl_slope and scl_inter become the grayscale chain. Geometry
/// is that of the sform, else of the qform, turned from RAS to LPS; absent if the file has neither.
/// 64-bit integers are read where they fit 32 bits; RGB and RGBA are colour, alpha dropped.
/// \throws salus::Error naming the file: truncated, contradictory, over `limits`, a type or a
/// number of
///         dimensions that is not read, an .hdr/.img pair.
Image read_nifti(const std::string& path, const ReadLimits& limits, bool with_pixels);

}  // namespace salus::io
