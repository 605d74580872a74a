#include <fmt/format.h>

#include <algorithm>

#include "engine/io/error.h"
#include "engine/io/volume_slices.h"

namespace salus::io {
namespace {

/// Two positions that are each rounded to two decimals: how far their difference may be off, mm.
constexpr double kRounding = 0.01;
/// What arithmetic in double adds to it.
constexpr double kTiny = 1e-6;

/// How far rounding of all three coordinates moves a step along `direction`, mm.
double rounding_along(const Vector& direction) {
  return kRounding * (std::abs(direction[0]) + std::abs(direction[1]) + std::abs(direction[2])) +
         kTiny;
}

class StepChecker {
 public:
  StepChecker(const Series& series, const VolumeOptions& options, Volume& volume)
      : series_(series), options_(options), volume_(volume) {
    const Geometry& first = series.slices[0].geometry;
    rounding_ = rounding_along(cross(first.row_cosine, first.column_cosine));
    rounding_across_ =
        std::hypot(rounding_along(first.row_cosine), rounding_along(first.column_cosine));
  }

  void run() {
    const std::vector<Slice>& slices = series_.slices;
    volume_.slice_spacing = usual_step();
    for (std::size_t i = 1; i < slices.size(); ++i) check(slices[i - 1], slices[i]);
    // A shift that is lost in the rounding of each step adds up.
    if (!tilted_ && volume_.slice_spacing > 0) check_tilt(slices.front(), slices.back());
  }

 private:
  /// The median of the steps that are not duplicates.
  double usual_step() const {
    std::vector<double> steps;
    for (std::size_t i = 1; i < series_.slices.size(); ++i) {
      const double step = series_.slices[i].position - series_.slices[i - 1].position;
      if (step > rounding_) steps.push_back(step);
    }
    if (steps.empty()) return 0;
    const auto middle = steps.begin() + static_cast<std::ptrdiff_t>((steps.size() - 1) / 2);
    std::nth_element(steps.begin(), middle, steps.end());
    return *middle;
  }

  std::string between(const Slice& a, const Slice& b) const {
    return fmt::format("between {} and {}", series_.name(a), series_.name(b));
  }

  void check(const Slice& a, const Slice& b) {
    const double spacing = volume_.slice_spacing, step = b.position - a.position;
    const double tolerance = std::max(options_.tolerance * spacing, rounding_);
    if (step <= tolerance) {
      report(options_.allow_duplicates, "duplicates",
             fmt::format("Two slices lie at {:.4g} mm, {}.", a.position, between(a, b)));
      return;
    }
    const double multiple = std::round(step / spacing);
    if (multiple >= 2 && std::abs(step - multiple * spacing) <= multiple * tolerance) {
      report(options_.allow_missing, "missing",
             fmt::format("{} slices are missing {}: the step is {:.4g} mm, usually {:.4g} mm.",
                         multiple - 1, between(a, b), step, spacing));
    } else if (std::abs(step - spacing) > tolerance) {
      report(options_.allow_uneven, "uneven",
             fmt::format("The step {} is {:.4g} mm, usually {:.4g} mm.", between(a, b), step,
                         spacing));
    }
    check_tilt(a, b);
  }

  /// With a tilted gantry the slices shift within their plane from one to the next.
  void check_tilt(const Slice& a, const Slice& b) {
    const double step = b.position - a.position;
    Vector shift{};
    for (std::size_t i = 0; i < 3; ++i) shift[i] = b.geometry.origin[i] - a.geometry.origin[i];
    const double across =
        std::hypot(dot(shift, a.geometry.row_cosine), dot(shift, a.geometry.column_cosine));
    if (across <= std::max(options_.tolerance * step, rounding_across_)) return;
    tilted_ = true;
    report(options_.allow_tilt, "tilt",
           fmt::format("The slices shift by {:.4g} mm within their plane over {:.4g} mm {}: the "
                       "gantry was tilted.",
                       across, step, between(a, b)));
  }

  void report(bool allowed, const char* name, const std::string& sentence) {
    if (!allowed) throw Error(fmt::format("{} Allow '{}' to read it anyway.", sentence, name));
    volume_.problems.push_back(sentence);
  }

  const Series& series_;
  const VolumeOptions& options_;
  Volume& volume_;
  double rounding_ = 0, rounding_across_ = 0;  ///< of a step, and of a shift in the plane, mm
  bool tilted_ = false;
};

}  // namespace

void check_steps(const Series& series, const VolumeOptions& options, Volume& volume) {
  if (series.slices.size() > 1) StepChecker(series, options, volume).run();
}

}  // namespace salus::io
