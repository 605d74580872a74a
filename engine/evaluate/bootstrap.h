#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace salus::evaluate {

struct ResamplingOptions {
  int replicates = 2000;
  std::uint64_t seed = 0;
  int threads = 0;  ///< 0 = every processor this process may use
};

/// Calls f(i) for i in [0, n) on `threads` threads. f must be thread-safe.
void parallel_for(std::size_t n, int threads, const std::function<void(std::size_t)>& f);

/// Dense number of each case's patient, in order of first appearance; every case its own patient if
/// `patients` is empty, and likewise a case whose patient is "".
std::vector<std::uint32_t> patient_numbers(const std::vector<std::string>& patients,
                                           std::size_t cases);

/// Draws patients with replacement, within strata, as many as there are. Cases of one patient come
/// and go together, because they are not independent.
class PatientBootstrap {
 public:
  /// \param patient  number of each case's patient (patient_numbers).
  /// \param stratum  of each case, not negative; a patient's is the largest of its cases'.
  /// \throws Error if the lengths differ or there are no cases.
  PatientBootstrap(std::vector<std::uint32_t> patient, const std::vector<int>& stratum);

  std::size_t cases() const { return patient_.size(); }
  std::size_t patients() const { return patients_; }
  /// Weights of all cases in one replicate: how often each one's patient was drawn.
  void draw(std::uint64_t seed, std::uint32_t replicate, std::span<double> weights) const;

 private:
  std::vector<std::uint32_t> patient_;
  std::size_t patients_ = 0;
  std::vector<std::vector<std::uint32_t>> strata_;  // patients of each
};

/// Computes values of one replicate from case weights. Thread-safe.
using Statistic = std::function<void(std::span<const double> weights, std::span<double> values)>;

/// Replicates of `values` numbers: [values][replicates]. The same for any number of threads.
std::vector<std::vector<double>> bootstrap(const PatientBootstrap& patients, std::size_t values,
                                           const Statistic& statistic,
                                           const ResamplingOptions& options);

}  // namespace salus::evaluate
