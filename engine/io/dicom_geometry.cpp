#include <cmath>
#include <optional>

#include "engine/io/dicom_gray.h"

namespace salus::io::dicom {
namespace {

using Vector = std::array<double, 3>;

/// Direction cosines are text of limited digits: this far from unit length and right angle is
/// rounding, more is an error of the writer.
constexpr double kCosineTolerance = 1e-3;

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

bool all_finite(const std::vector<double>& values) {
  for (const double v : values) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

/// Values of `tag` in the frame's functional group, else at the top level.
std::vector<double> frame_numbers(ParsedFile& file, std::int64_t frame, Tag macro, Tag tag) {
  if (const DataSet* group = functional_group(file.data, frame, macro)) {
    std::vector<double> values = numbers(*file.source, *group, tag, 6);
    if (!values.empty()) return values;
  }
  return numbers(*file.source, file.data, tag, 6);
}

std::optional<Geometry> frame_geometry(ParsedFile& file, std::int64_t frame, bool& damaged) {
  const auto position = frame_numbers(file, frame, kPlanePositionSequence, kImagePosition);
  const auto cosines = frame_numbers(file, frame, kPlaneOrientationSequence, kImageOrientation);
  if (position.empty() && cosines.empty()) return std::nullopt;
  if (position.size() < 3 || cosines.size() < 6 || !all_finite(position) || !all_finite(cosines)) {
    damaged = true;
    return std::nullopt;
  }
  Geometry geometry;
  for (std::size_t i = 0; i < 3; ++i) {
    geometry.origin[i] = position[i];
    geometry.row_cosine[i] = cosines[i];
    geometry.column_cosine[i] = cosines[i + 3];
  }
  const Vector& row = geometry.row_cosine;
  const Vector& column = geometry.column_cosine;
  if (std::abs(dot(row, row) - 1) > kCosineTolerance ||
      std::abs(dot(column, column) - 1) > kCosineTolerance ||
      std::abs(dot(row, column)) > kCosineTolerance) {
    damaged = true;
    return std::nullopt;
  }
  return geometry;
}

/// Frames of an RT dose lie along the normal at the offsets of GridFrameOffsetVector (PS3.3
/// C.8.8.3.2); the first form of it, relative to ImagePositionPatient, begins with 0.
void place_dose_frames(ParsedFile& file, Image& image) {
  const auto frames = static_cast<std::size_t>(image.pixels.frames);
  const std::vector<double> offsets = numbers(*file.source, file.data, kGridFrameOffsets, frames);
  if (offsets.size() != frames || !all_finite(offsets) || offsets[0] != 0 || !image.geometry[0]) {
    return;
  }
  const Geometry first = *image.geometry[0];
  const Vector& r = first.row_cosine;
  const Vector& c = first.column_cosine;
  const Vector normal{r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2],
                      r[0] * c[1] - r[1] * c[0]};
  for (std::size_t f = 0; f < frames; ++f) {
    Geometry geometry = first;
    for (std::size_t i = 0; i < 3; ++i) geometry.origin[i] += offsets[f] * normal[i];
    image.geometry[f] = geometry;
  }
}

void read_spacing(ParsedFile& file, Image& image) {
  const auto spacing = frame_numbers(file, 0, kPixelMeasuresSequence, kPixelSpacing);
  if (spacing.size() >= 2 && all_finite(spacing) && spacing[0] > 0 && spacing[1] > 0) {
    image.pixel_spacing = {spacing[0], spacing[1]};
  } else if (!spacing.empty()) {
    file.warnings.push_back(tag_name(kPixelSpacing) +
                            " is not two positive numbers; the file has no pixel spacing.");
  }
  const auto thickness = frame_numbers(file, 0, kPixelMeasuresSequence, kSliceThickness);
  if (!thickness.empty() && std::isfinite(thickness[0]) && thickness[0] > 0) {
    image.slice_thickness = thickness[0];
  }
}

}  // namespace

void read_geometry(ParsedFile& file, const PixelLayout& layout, Image& image) {
  read_spacing(file, image);
  const bool enhanced = file.data.find(kPerFrameGroups) || file.data.find(kSharedGroups);
  bool damaged = false, any = false;
  // At the top level position and orientation are those of the first frame.
  const std::int64_t placed = enhanced ? layout.frames : 1;
  image.geometry.resize(static_cast<std::size_t>(layout.frames));
  for (std::int64_t f = 0; f < placed; ++f) {
    image.geometry[static_cast<std::size_t>(f)] = frame_geometry(file, f, damaged);
    any = any || image.geometry[static_cast<std::size_t>(f)];
  }
  if (damaged) {
    file.warnings.emplace_back(
        "ImagePositionPatient or ImageOrientationPatient is not a position and two perpendicular "
        "unit vectors; the geometry was left out.");
  }
  if (!any) {
    image.geometry.clear();
  } else if (!enhanced && layout.frames > 1) {
    place_dose_frames(file, image);
  }
}

}  // namespace salus::io::dicom
