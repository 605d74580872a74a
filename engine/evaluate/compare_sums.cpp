#include "engine/evaluate/compare_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/evaluate/random.h"

namespace salus::evaluate {
namespace {

constexpr std::uint32_t kPermutationStream = 2;
constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Differences of the metric where the models of some patients are exchanged.
std::vector<double> null_differences(const PairedSums& sums, double units,
                                     const ResamplingOptions& options) {
  std::vector<double> difference(count_patients(sums.patient));
  for (std::size_t i = 0; i < sums.first.size(); ++i) {
    difference[sums.patient[i]] += sums.second[i] - sums.first[i];
  }
  std::vector<double> null(static_cast<std::size_t>(std::max(options.replicates, 0)));
  parallel_for(null.size(), options.threads, [&](std::size_t r) {
    const auto heads = coins(difference.size(), options.seed, r);
    double total = 0;
    for (std::size_t p = 0; p < heads.size(); ++p)
      total += heads[p] ? difference[p] : -difference[p];
    null[r] = total / units;
  });
  return null;
}

}  // namespace

Comparison compare_sums(const std::string& metric, const PairedSums& sums,
                        const std::string& absent_because, const ResamplingOptions& options,
                        double level) {
  Comparison c{metric, "", kAbsent, kAbsent, kAbsent, {}, 1, "permutation", ""};
  const double units = sum(sums.units);
  if (!(units > 0)) {
    c.absent_because = absent_because;
    return c;
  }
  c.first = sum(sums.first) / units;
  c.second = sum(sums.second) / units;
  c.difference = c.second - c.first;
  c.p_value = permutation_p(c.difference, null_differences(sums, units, options));
  auto replicates = bootstrap(
      PatientBootstrap(sums.patient, sums.stratum), 1,
      [&](std::span<const double> w, std::span<double> out) {
        double total = 0, drawn = 0;
        for (std::size_t i = 0; i < sums.units.size(); ++i) {
          total += w[i] * (sums.second[i] - sums.first[i]);
          drawn += w[i] * sums.units[i];
        }
        out[0] = drawn > 0 ? total / drawn : kAbsent;
      },
      options);
  set_interval(std::move(replicates[0]), level, c);
  return c;
}

std::size_t count_patients(const std::vector<std::uint32_t>& patient) {
  return patient.empty() ? 0 : *std::max_element(patient.begin(), patient.end()) + std::size_t{1};
}

std::vector<std::uint8_t> coins(std::size_t patients, std::uint64_t seed, std::size_t replicate) {
  RandomStream random(seed, static_cast<std::uint32_t>(replicate), kPermutationStream);
  std::vector<std::uint8_t> heads(patients);
  for (auto& head : heads) head = random.next() >> 31;
  return heads;
}

double permutation_p(double observed, const std::vector<double>& null) {
  // Rounding must not hide a replicate that repeats the observed split.
  const double bound = std::abs(observed) - 1e-12;
  std::size_t extreme = 1, drawn = 1;
  for (const double d : null) {
    if (std::isnan(d)) continue;
    ++drawn;
    extreme += std::abs(d) >= bound;
  }
  return static_cast<double>(extreme) / static_cast<double>(drawn);
}

void set_interval(std::vector<double> replicates, double level, Comparison& comparison) {
  const Interval interval = percentile_interval(std::move(replicates), level);
  if (interval.high > interval.low) comparison.interval = interval;
}

}  // namespace salus::evaluate
