#include "engine/io/image.h"

#include <fmt/core.h>

#include <string_view>

#include "engine/io/dicom.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/nifti.h"
#include "engine/io/npy_image.h"
#include "engine/io/posix.h"
#include "engine/io/raster.h"

namespace salus::io {
namespace {

constexpr std::int64_t kHead = 4096;

enum class Format { kUnknown, kDicom, kPng, kJpeg, kTiff, kNifti, kNpy, kZip, kGzip };

Format format_of(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  // First, because the preamble of a DICOM file may make it a TIFF file too (PS3.10 7.1).
  if (text.size() >= 132 && text.substr(128, 4) == "DICM") return Format::kDicom;
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return Format::kPng;
  if (text.starts_with("\xff\xd8\xff")) return Format::kJpeg;
  for (const std::string_view magic :
       {std::string_view("II*\0", 4), std::string_view("MM\0*", 4), std::string_view("II+\0", 4),
        std::string_view("MM\0+", 4)}) {
    if (text.starts_with(magic)) return Format::kTiff;
  }
  if (text.starts_with("\x93NUMPY")) return Format::kNpy;
  if (looks_like_nifti(head)) return Format::kNifti;
  if (text.starts_with("PK\x03\x04")) return Format::kZip;
  if (text.starts_with("\x1f\x8b")) return Format::kGzip;
  return looks_like_dicom(head) ? Format::kDicom : Format::kUnknown;
}

[[noreturn]] void refuse(const std::string& path, Format format, bool empty) {
  if (empty) throw Error(fmt::format("{} is empty; fetch it again.", path));
  throw Error(
      fmt::format("{} is {}; DICOM, PNG, JPEG, TIFF, NIfTI, NPY and NPZ are read.", path,
                  format == Format::kGzip ? "gzipped, but not NIfTI" : "no image known here"));
}

Image read(const std::string& path, const ReadLimits& limits, bool with_pixels) {
  const auto head = InputFile(path).read_up_to(0, kHead);
  const Format format = format_of(head);
  switch (format) {
    case Format::kDicom:
      return with_pixels ? read_dicom(path, limits) : read_dicom_header(path, limits);
    case Format::kPng:
      return read_png(read_file(path, limits.max_file_bytes), path, limits, with_pixels);
    case Format::kJpeg:
      return read_jpeg(read_file(path, limits.max_file_bytes), path, limits, with_pixels);
    case Format::kTiff:
      return read_tiff(read_file(path, limits.max_file_bytes), path, limits, with_pixels);
    case Format::kNifti:
      return read_nifti(path, limits, with_pixels);
    case Format::kNpy:
      return read_npy_image(path, limits, with_pixels);
    case Format::kZip:
      return read_npz_image(path, limits, with_pixels);
    case Format::kGzip:
    case Format::kUnknown:
      break;
  }
  refuse(path, format, head.empty());
}

}  // namespace

Image read_image(const std::string& path, const ReadLimits& limits) {
  return read(path, limits, true);
}

Image read_image_header(const std::string& path, const ReadLimits& limits) {
  return read(path, limits, false);
}

bool is_dicom_file(const std::string& path) {
  return format_of(InputFile(path).read_up_to(0, kHead)) == Format::kDicom;
}

bool is_image_file(const std::string& path) {
  const Format format = format_of(InputFile(path).read_up_to(0, kHead));
  return format != Format::kUnknown && format != Format::kZip && format != Format::kGzip;
}

}  // namespace salus::io
