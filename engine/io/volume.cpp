#include "engine/io/volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/io/dicom.h"
#include "engine/io/error.h"

namespace salus::io {
namespace {

using Vector = std::array<double, 3>;

/// Direction cosines of slices of one series agree to the digits that DS text has.
constexpr double kSameDirection = 1e-4;
constexpr double kSameSpacing = 1e-4;

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

bool same_direction(const Vector& a, const Vector& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (std::abs(a[i] - b[i]) > kSameDirection) return false;
  }
  return true;
}

/// One frame of one file, before sorting.
struct Slice {
  std::size_t file = 0;
  std::int64_t frame = 0;
  Geometry geometry;
  double position = 0;  ///< along the normal, mm
};

/// The files of a series, read and found to belong together.
struct Series {
  std::vector<std::string> paths;
  std::vector<Image> images;
  std::vector<Slice> slices;
};

bool same_spacing(const Image& a, const Image& b) {
  if (a.pixel_spacing.has_value() != b.pixel_spacing.has_value()) return false;
  if (!a.pixel_spacing) return true;
  return std::abs((*a.pixel_spacing)[0] - (*b.pixel_spacing)[0]) <= kSameSpacing &&
         std::abs((*a.pixel_spacing)[1] - (*b.pixel_spacing)[1]) <= kSameSpacing;
}

/// Refuses `image` if it cannot stand in one volume with `first`.
void check_belongs(const Image& first, const std::string& first_path, const Image& image,
                   const std::string& path) {
  const Pixels &a = first.pixels, &b = image.pixels;
  const auto refuse = [&](const std::string& what) {
    throw Error(fmt::format("'{}' and '{}' cannot be one volume: {}. Give the files of one series.",
                            first_path, path, what));
  };
  if (a.rows != b.rows || a.columns != b.columns || a.samples != b.samples) {
    refuse(fmt::format("they have {} x {} and {} x {} pixels of {} and {} samples", a.rows,
                       a.columns, b.rows, b.columns, a.samples, b.samples));
  }
  if (a.type != b.type || first.is_signed != image.is_signed) {
    refuse("their pixels are stored differently");
  }
  if (first.photometric != image.photometric || first.modality != image.modality) {
    refuse("they differ in modality or photometric interpretation");
  }
  if (first.patient_id != image.patient_id) refuse("they are of different patients");
  if (!same_spacing(first, image)) refuse("their pixel spacings differ");
}

void add_slices(Series& series, std::size_t file) {
  const Image& image = series.images[file];
  for (std::int64_t f = 0; f < image.pixels.frames; ++f) {
    const auto at = static_cast<std::size_t>(f);
    if (at >= image.geometry.size() || !image.geometry[at]) {
      throw Error(fmt::format(
          "Frame {} of '{}' has no position and orientation, so that it cannot be placed in a "
          "volume.",
          f + 1, series.paths[file]));
    }
    series.slices.push_back({file, f, *image.geometry[at], 0});
  }
}

Series read_files(const std::vector<std::string>& files, const ReadLimits& limits) {
  if (files.empty()) throw Error("No file was given to read a volume from.");
  Series series;
  series.paths = files;
  std::string series_uid;
  std::int64_t left = limits.max_pixel_bytes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string uid = read_dicom_identities(files[i]).series_uid;
    if (i == 0) series_uid = uid;
    if (uid != series_uid) {
      throw Error(fmt::format("'{}' and '{}' are of different series.", files[0], files[i]));
    }
    ReadLimits rest = limits;
    rest.max_pixel_bytes = left;
    series.images.push_back(read_dicom(files[i], rest));
    left -= static_cast<std::int64_t>(series.images[i].pixels.bytes->size());
    check_belongs(series.images[0], files[0], series.images[i], files[i]);
    add_slices(series, i);
  }
  return series;
}

void sort_slices(Series& series) {
  const Geometry& first = series.slices[0].geometry;
  const Vector normal = cross(first.row_cosine, first.column_cosine);
  for (Slice& slice : series.slices) {
    if (!same_direction(slice.geometry.row_cosine, first.row_cosine) ||
        !same_direction(slice.geometry.column_cosine, first.column_cosine)) {
      throw Error(fmt::format("'{}' and '{}' cannot be one volume: their orientations differ.",
                              series.paths[0], series.paths[slice.file]));
    }
    slice.position = dot(slice.geometry.origin, normal);
  }
  std::stable_sort(series.slices.begin(), series.slices.end(),
                   [](const Slice& a, const Slice& b) { return a.position < b.position; });
}

/// Looks for irregular steps between neighbouring slices.
class StepChecker {
 public:
  StepChecker(const Series& series, const VolumeOptions& options, Volume& volume)
      : series_(series), options_(options), volume_(volume) {}

  void run() {
    const std::vector<Slice>& slices = series_.slices;
    if (slices.size() < 2) return;
    volume_.slice_spacing = usual_step();
    for (std::size_t i = 1; i < slices.size(); ++i) check(slices[i - 1], slices[i]);
  }

 private:
  /// The median of the steps that are not duplicates.
  double usual_step() const {
    std::vector<double> steps;
    for (std::size_t i = 1; i < series_.slices.size(); ++i) {
      const double step = series_.slices[i].position - series_.slices[i - 1].position;
      if (step > options_.tolerance_mm) steps.push_back(step);
    }
    if (steps.empty()) return 0;
    const auto middle = steps.begin() + static_cast<std::ptrdiff_t>((steps.size() - 1) / 2);
    std::nth_element(steps.begin(), middle, steps.end());
    return *middle;
  }

  void check(const Slice& a, const Slice& b) {
    const double spacing = volume_.slice_spacing, step = b.position - a.position;
    const double tolerance = options_.tolerance_mm * (spacing > 0 ? spacing : 1.0);
    const std::string between =
        fmt::format("between '{}' and '{}'", series_.paths[a.file], series_.paths[b.file]);
    if (step <= tolerance) {
      report(options_.allow_duplicates, "duplicates",
             fmt::format("Two slices lie at {:.4g} mm, {}.", a.position, between));
      return;
    }
    const double multiple = std::round(step / spacing);
    if (multiple >= 2 && std::abs(step - multiple * spacing) <= multiple * tolerance) {
      report(options_.allow_missing, "missing",
             fmt::format("{} slices are missing {}: the step is {:.4g} mm, usually {:.4g} mm.",
                         multiple - 1, between, step, spacing));
    } else if (std::abs(step - spacing) > tolerance) {
      report(options_.allow_uneven, "uneven",
             fmt::format("The step {} is {:.4g} mm, usually {:.4g} mm.", between, step, spacing));
    }
    check_tilt(a, b, step, tolerance, between);
  }

  /// With a tilted gantry the slices shift within their plane from one to the next.
  void check_tilt(const Slice& a, const Slice& b, double step, double tolerance,
                  const std::string& between) {
    Vector shift{};
    for (std::size_t i = 0; i < 3; ++i) shift[i] = b.geometry.origin[i] - a.geometry.origin[i];
    const double across =
        std::hypot(dot(shift, a.geometry.row_cosine), dot(shift, a.geometry.column_cosine));
    if (across <= tolerance) return;
    report(options_.allow_tilt, "tilt",
           fmt::format("The slices shift by {:.4g} mm within their plane over {:.4g} mm {}: the "
                       "gantry was tilted.",
                       across, step, between));
  }

  void report(bool allowed, const char* name, const std::string& sentence) {
    if (!allowed) throw Error(fmt::format("{} Allow '{}' to read it anyway.", sentence, name));
    volume_.problems.push_back(sentence);
  }

  const Series& series_;
  const VolumeOptions& options_;
  Volume& volume_;
};

bool same_chain(const GrayscaleChain& a, const GrayscaleChain& b) {
  if (a.modality_lut || b.modality_lut || !a.voi_luts.empty() || !b.voi_luts.empty()) return false;
  if (a.slope != b.slope || a.intercept != b.intercept || a.function != b.function) return false;
  return std::equal(a.windows.begin(), a.windows.end(), b.windows.begin(), b.windows.end(),
                    [](const VoiWindow& x, const VoiWindow& y) {
                      return x.center == y.center && x.width == y.width;
                    });
}

/// Frames of all files in slice order, with what belongs to each.
void assemble(Series& series, Volume& volume) {
  Image& out = volume.image;
  out = series.images[0];
  out.gray.clear();
  out.geometry.clear();
  out.warnings.clear();
  out.pixels.frames = static_cast<std::int64_t>(series.slices.size());
  const std::size_t frame_bytes = out.pixels.bytes_per_frame();
  auto bytes = std::make_shared<std::vector<std::byte>>();
  bytes->reserve(series.slices.size() * frame_bytes);
  for (const Slice& slice : series.slices) {
    const Image& image = series.images[slice.file];
    const std::byte* frame = image.pixels.frame(slice.frame);
    bytes->insert(bytes->end(), frame, frame + frame_bytes);
    out.gray.push_back(image.chain(slice.frame));
    out.geometry.emplace_back(slice.geometry);
    volume.files.push_back(series.paths[slice.file]);
  }
  out.pixels.bytes = std::move(bytes);
  const bool same = std::all_of(out.gray.begin(), out.gray.end(), [&](const GrayscaleChain& chain) {
    return same_chain(chain, out.gray[0]);
  });
  if (same) out.gray.resize(1);
  for (const Image& image : series.images) {
    for (const std::string& warning : image.warnings) {
      if (std::find(out.warnings.begin(), out.warnings.end(), warning) == out.warnings.end()) {
        out.warnings.push_back(warning);
      }
    }
  }
}

}  // namespace

Volume read_series(const std::vector<std::string>& files, const VolumeOptions& options,
                   const ReadLimits& limits) {
  Series series = read_files(files, limits);
  sort_slices(series);
  Volume volume;
  StepChecker(series, options, volume).run();
  assemble(series, volume);
  return volume;
}

}  // namespace salus::io
