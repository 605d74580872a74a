#include "engine/io/volume.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/io/dicom.h"
#include "engine/io/error.h"
#include "engine/io/volume_slices.h"

namespace salus::io {

std::string Series::name(const Slice& slice) const {
  if (images[slice.file].pixels.frames == 1) return fmt::format("'{}'", paths[slice.file]);
  return fmt::format("frame {} of '{}'", slice.frame + 1, paths[slice.file]);
}

namespace {

constexpr double kSameDirection = 1e-4;
constexpr double kSameSpacing = 1e-4;

bool same_direction(const Vector& a, const Vector& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (std::abs(a[i] - b[i]) > kSameDirection) return false;
  }
  return true;
}

}  // namespace

bool same_orientation(const Geometry& a, const Geometry& b) {
  return same_direction(a.row_cosine, b.row_cosine) &&
         same_direction(a.column_cosine, b.column_cosine);
}

namespace {

bool same_spacing(const Image& a, const Image& b) {
  if (a.pixel_spacing.has_value() != b.pixel_spacing.has_value()) return false;
  if (!a.pixel_spacing) return true;
  return std::abs((*a.pixel_spacing)[0] - (*b.pixel_spacing)[0]) <= kSameSpacing &&
         std::abs((*a.pixel_spacing)[1] - (*b.pixel_spacing)[1]) <= kSameSpacing;
}

/// Why the slices of two files cannot be one volume; "" if they can.
std::string difference(const Image& first, const Image& second) {
  const Pixels &a = first.pixels, &b = second.pixels;
  if (a.rows != b.rows || a.columns != b.columns || a.samples != b.samples) {
    return fmt::format("they have {} x {} and {} x {} pixels of {} and {} samples", a.rows,
                       a.columns, b.rows, b.columns, a.samples, b.samples);
  }
  if (a.type != b.type || first.is_signed != second.is_signed) {
    return "their pixels are stored differently";
  }
  if (first.photometric != second.photometric || first.modality != second.modality) {
    return "they differ in modality or photometric interpretation";
  }
  return same_spacing(first, second) ? "" : "their pixel spacings differ";
}

/// The same of two slices.
std::string difference(const Series& series, const Slice& a, const Slice& b) {
  if (a.file != b.file) {
    std::string of_files = difference(series.images[a.file], series.images[b.file]);
    if (!of_files.empty()) return of_files;
    if (series.frames_of_reference[a.file] != series.frames_of_reference[b.file]) {
      return "their positions are of different frames of reference";
    }
  }
  return same_orientation(a.geometry, b.geometry) ? "" : "their orientations differ";
}

/// Refuses a slice that is not like the first one.
void refuse_mixed(const Series& series, const Slice& slice) {
  const Slice& first = series.slices[0];
  const std::string why = difference(series, first, slice);
  if (why.empty()) return;
  throw Error(fmt::format(
      "{} and {} cannot be one volume: {}. Give the files of one series, or allow 'mixed' to read "
      "the most slices that belong together.",
      series.name(first), series.name(slice), why));
}

/// Leaves the largest number of slices that agree with each other.
void keep_largest_group(Series& series, Volume& volume) {
  std::vector<std::vector<Slice>> groups;
  for (const Slice& slice : series.slices) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& some) {
      return difference(series, some[0], slice).empty();
    });
    group == groups.end() ? groups.push_back({slice}) : group->push_back(slice);
  }
  const auto largest =
      std::max_element(groups.begin(), groups.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  for (const auto& group : groups) {
    if (&group == &*largest) continue;
    volume.problems.push_back(
        fmt::format("{} of {} slices were left out: {} and {} cannot be one volume, {}.",
                    group.size(), series.slices.size(), series.name((*largest)[0]),
                    series.name(group[0]), difference(series, (*largest)[0], group[0])));
  }
  series.slices = std::move(*largest);
}

void add_slices(Series& series, std::size_t file, const VolumeOptions& options) {
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
    if (!options.allow_mixed) refuse_mixed(series, series.slices.back());
  }
}

void check_identities(const DicomIdentities& first, const std::string& first_path,
                      const DicomIdentities& other, const std::string& path) {
  if (other.series_uid != first.series_uid) {
    throw Error(fmt::format("'{}' and '{}' are of different series.", first_path, path));
  }
  if (other.patient_id != first.patient_id) {
    throw Error(fmt::format("'{}' and '{}' cannot be one volume: they are of different patients.",
                            first_path, path));
  }
}

Series read_files(const std::vector<std::string>& files, const VolumeOptions& options,
                  const ReadLimits& limits) {
  if (files.empty()) throw Error("No file was given to read a volume from.");
  Series series;
  series.paths = files;
  DicomIdentities first;
  std::int64_t left = limits.max_pixel_bytes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const DicomIdentities identities = read_dicom_identities(files[i]);
    if (i == 0) first = identities;
    check_identities(first, files[0], identities, files[i]);
    ReadLimits rest = limits;
    rest.max_pixel_bytes = left;
    series.images.push_back(read_dicom(files[i], rest));
    series.frames_of_reference.push_back(identities.frame_of_reference_uid);
    left -= static_cast<std::int64_t>(series.images[i].pixels.bytes->size());
    add_slices(series, i, options);
  }
  return series;
}

void sort_slices(Series& series) {
  const Geometry& first = series.slices[0].geometry;
  const Vector normal = cross(first.row_cosine, first.column_cosine);
  for (Slice& slice : series.slices) slice.position = dot(slice.geometry.origin, normal);
  std::stable_sort(series.slices.begin(), series.slices.end(),
                   [](const Slice& a, const Slice& b) { return a.position < b.position; });
}

bool same_chain(const GrayscaleChain& a, const GrayscaleChain& b) {
  if (a.modality_lut || b.modality_lut || !a.voi_luts.empty() || !b.voi_luts.empty()) return false;
  if (a.slope != b.slope || a.intercept != b.intercept || a.function != b.function) return false;
  return std::equal(a.windows.begin(), a.windows.end(), b.windows.begin(), b.windows.end(),
                    [](const VoiWindow& x, const VoiWindow& y) {
                      return x.center == y.center && x.width == y.width;
                    });
}

/// One chain and one padding where all slices have the same.
void merge_equal(Image& image) {
  const auto& chains = image.gray;
  if (std::all_of(chains.begin(), chains.end(),
                  [&](const GrayscaleChain& chain) { return same_chain(chain, chains[0]); })) {
    image.gray.resize(1);
  }
  auto& paddings = image.frame_padding;
  image.padding.reset();
  if (std::all_of(paddings.begin(), paddings.end(),
                  [&](const auto& padding) { return padding == paddings[0]; })) {
    image.padding = paddings[0];
    paddings.clear();
  }
}

void add_warnings(const Image& from, Image& to) {
  for (const std::string& warning : from.warnings) {
    if (std::find(to.warnings.begin(), to.warnings.end(), warning) == to.warnings.end()) {
      to.warnings.push_back(warning);
    }
  }
}

/// Frames of all files in slice order, with what belongs to each.
void assemble(const Series& series, Volume& volume) {
  Image& out = volume.image;
  out = series.images[series.slices[0].file];
  out.gray.clear();
  out.geometry.clear();
  out.warnings.clear();
  out.frame_padding.clear();
  out.pixels.frames = static_cast<std::int64_t>(series.slices.size());
  const std::size_t frame_bytes = out.pixels.bytes_per_frame();
  auto bytes = std::make_shared<std::vector<std::byte>>();
  bytes->reserve(series.slices.size() * frame_bytes);
  for (const Slice& slice : series.slices) {
    const Image& image = series.images[slice.file];
    const std::byte* frame = image.pixels.frame(slice.frame);
    bytes->insert(bytes->end(), frame, frame + frame_bytes);
    out.bits_stored = std::max(out.bits_stored, image.bits_stored);
    out.gray.push_back(image.chain(slice.frame));
    out.frame_padding.push_back(image.padding_of(slice.frame));
    out.geometry.emplace_back(slice.geometry);
    volume.files.push_back(series.paths[slice.file]);
    volume.frames.push_back(slice.frame);
    add_warnings(image, out);
  }
  out.pixels.bytes = std::move(bytes);
  merge_equal(out);
}

Volume volume_of(Series series, const VolumeOptions& options) {
  Volume volume;
  if (options.allow_mixed) keep_largest_group(series, volume);
  sort_slices(series);
  check_steps(series, options, volume);
  assemble(series, volume);
  return volume;
}

}  // namespace

Volume read_series(const std::vector<std::string>& files, const VolumeOptions& options,
                   const ReadLimits& limits) {
  return volume_of(read_files(files, options, limits), options);
}

bool has_placed_frames(const Image& image) {
  // The first frame of any file may have the place that stands beside all of them.
  return std::any_of(image.geometry.begin() + (image.geometry.empty() ? 0 : 1),
                     image.geometry.end(), [](const auto& place) { return place.has_value(); });
}

Volume volume_of_frames(Image image, const std::string& path, const VolumeOptions& options) {
  Series series;
  series.paths = {path};
  series.frames_of_reference = {""};
  series.images.push_back(std::move(image));
  add_slices(series, 0, options);
  return volume_of(std::move(series), options);
}

}  // namespace salus::io
