#include "engine/data/onset_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/io/error.h"

namespace salus::data {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

std::ptrdiff_t find(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : found - names.begin();
}

/// A column with a number for each stay, of the labels or the statics; empty if there is none.
std::vector<float> column_of(const io::VitalsTable& table, const std::string& name) {
  const auto take = [&](const std::vector<std::string>& names, const std::vector<float>& values) {
    std::vector<float> column;
    const auto at = find(names, name);
    for (std::size_t n = 0; at >= 0 && n < table.ids.size(); ++n) {
      column.push_back(values[n * names.size() + static_cast<std::size_t>(at)]);
    }
    return column;
  };
  auto column = take(table.label_names, table.labels);
  return column.empty() ? take(table.static_names, table.statics) : column;
}

/// Of the labels of steps of stay n.
Onset of_steps(const io::VitalsTable& table, std::size_t n, std::size_t column, double lead) {
  Onset onset{false, std::nan(""), 0};
  const auto width = table.step_label_names.size();
  for (auto s = table.step_offsets[n]; s < table.step_offsets[n + 1]; ++s) {
    const float label = table.step_labels[static_cast<std::size_t>(s) * width + column];
    if (std::isnan(label)) continue;
    onset.known = true;
    onset.until = table.step_time[static_cast<std::size_t>(s)];
    if (label > 0.5F && std::isnan(onset.hour)) onset.hour = onset.until + lead;
  }
  return onset;
}

[[noreturn]] void refuse_column(const io::VitalsTable& table, const Config& where, const char* key,
                                const std::string& name) {
  std::vector<std::string> known = table.label_names;
  known.insert(known.end(), table.step_label_names.begin(), table.step_label_names.end());
  known.insert(known.end(), table.static_names.begin(), table.static_names.end());
  throw UsageError(fmt::format("{}: the data have no column \"{}\"; they have {}.",
                               where.where(key), name, fmt::join(known, ", ")));
}

/// Replaces the ends of observation by a column's, where it has a number.
void read_ends(const OnsetSpec& spec, const io::VitalsTable& table, const Config& where,
               std::vector<Onset>& onsets) {
  const auto ends = column_of(table, spec.observed_until);
  if (ends.empty()) refuse_column(table, where, "observed_until", spec.observed_until);
  for (std::size_t n = 0; n < onsets.size(); ++n) {
    if (!std::isnan(ends[n])) onsets[n].until = ends[n];
  }
}

class OnsetTargets : public StepTargets {
 public:
  OnsetTargets(std::shared_ptr<const io::VitalsTable> table,
               std::shared_ptr<const StayTransform> transform, std::vector<Onset> onsets,
               const OnsetSpec& spec)
      : table_(std::move(table)),
        transform_(std::move(transform)),
        onsets_(std::move(onsets)),
        spec_(spec) {}

  std::int64_t labels() const override { return static_cast<std::int64_t>(spec_.horizons.size()); }

  at::Tensor of(const std::vector<std::int64_t>& stays) const override {
    return by_stay(*transform_, stays, [&](std::int64_t stay, float* out) {
      const auto length = transform_->length(*table_, stay);
      for (std::int64_t t = 0; t < length; ++t) write(stay, t, out + t * labels());
    });
  }

  std::vector<float> largest(std::int64_t stay) const override {
    std::vector<float> most(spec_.horizons.size(), kUnknown), labels(most.size());
    const auto length = transform_->length(*table_, stay);
    for (std::int64_t t = 0; t < length; ++t) {
      write(stay, t, labels.data());
      for (std::size_t l = 0; l < most.size(); ++l) most[l] = std::fmax(most[l], labels[l]);
    }
    return most;
  }

 private:
  /// The labels of one step, [L].
  void write(std::int64_t stay, std::int64_t t, float* out) const {
    const Onset& onset = onsets_[static_cast<std::size_t>(stay)];
    const double now = seconds_of(static_cast<double>(t) * transform_->step());
    for (std::size_t l = 0; l < spec_.horizons.size(); ++l) {
      out[l] = onset.known ? label(onset, t, now + seconds_of(spec_.horizons[l])) : kUnknown;
    }
  }

  float label(const Onset& onset, std::int64_t t, double horizon) const {
    if (std::isnan(onset.hour)) {
      return spec_.censored_negative || seconds_of(onset.until) >= horizon ? 0.0F : kUnknown;
    }
    if (transform_->bin(onset.hour) > t) return seconds_of(onset.hour) <= horizon ? 1.0F : 0.0F;
    return spec_.after == OnsetSpec::After::kUnknown    ? kUnknown
           : spec_.after == OnsetSpec::After::kPositive ? 1.0F
                                                        : 0.0F;
  }

  std::shared_ptr<const io::VitalsTable> table_;
  std::shared_ptr<const StayTransform> transform_;
  std::vector<Onset> onsets_;
  OnsetSpec spec_;
};

}  // namespace

std::vector<Onset> read_onsets(const OnsetSpec& spec, const io::VitalsTable& table,
                               const Config& where) {
  const auto stays = table.ids.size();
  const auto hours = column_of(table, spec.column);
  const auto step_column = find(table.step_label_names, spec.column);
  std::vector<Onset> onsets;
  if (hours.empty() && step_column < 0) {
    if (table.label_names.empty() && table.step_label_names.empty()) return {};
    refuse_column(table, where, "onset", spec.column);
  }
  // A bundle's own lead is of labels of steps: it says nothing of data that give hours.
  if (!hours.empty() && spec.label_lead > 0 && where.has("label_lead")) {
    throw UsageError(
        fmt::format("{} is for labels of steps, but \"{}\" is one number a stay: the hour of the "
                    "onset.",
                    where.where("label_lead"), spec.column));
  }
  const bool of_labels = find(table.label_names, spec.column) >= 0;
  for (std::size_t n = 0; n < stays; ++n) {
    if (hours.empty()) {
      onsets.push_back(of_steps(table, n, static_cast<std::size_t>(step_column), spec.label_lead));
    } else {
      onsets.push_back({!of_labels || table.labelled[n], hours[n],
                        last_hour(table, static_cast<std::int64_t>(n))});
    }
  }
  if (!spec.observed_until.empty()) read_ends(spec, table, where, onsets);
  return onsets;
}

std::unique_ptr<StepTargets> onset_targets(std::shared_ptr<const io::VitalsTable> table,
                                           std::shared_ptr<const StayTransform> transform,
                                           std::vector<Onset> onsets, const OnsetSpec& spec) {
  for (const double horizon : spec.horizons) {
    if (seconds_of(horizon) >= seconds_of(transform->step())) continue;
    throw UsageError(fmt::format(
        "A horizon of {} h is below the step of {} h, so that no step could be positive; choose a "
        "longer one, or a shorter [transform] step.",
        horizon, transform->step()));
  }
  return std::make_unique<OnsetTargets>(std::move(table), std::move(transform), std::move(onsets),
                                        spec);
}

}  // namespace salus::data
