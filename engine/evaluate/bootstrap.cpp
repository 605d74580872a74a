#include "engine/evaluate/bootstrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "engine/evaluate/random.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::evaluate {
namespace {

constexpr std::uint32_t kBootstrapStream = 1;

}  // namespace

void parallel_for(std::size_t n, int threads, const std::function<void(std::size_t)>& f) {
  const int wanted = threads > 0 ? threads : io::available_threads();
  const std::size_t count = std::min<std::size_t>(n, static_cast<std::size_t>(wanted));
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < n; i = next++) f(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      failure = std::current_exception();
      next = n;
    }
  };
  std::vector<std::thread> others;
  for (std::size_t t = 1; t < count; ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

std::vector<std::uint32_t> patient_numbers(const std::vector<std::string>& patients,
                                           std::size_t cases) {
  if (!patients.empty() && patients.size() != cases) {
    throw Error(fmt::format("There are {} patients for {} cases; give one per case or none.",
                            patients.size(), cases));
  }
  std::vector<std::uint32_t> numbers(cases);
  std::unordered_map<std::string, std::uint32_t> known;
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    if (patients.empty() || patients[i].empty()) {
      numbers[i] = next++;
      continue;
    }
    const auto [place, is_new] = known.try_emplace(patients[i], next);
    next += is_new;
    numbers[i] = place->second;
  }
  return numbers;
}

PatientBootstrap::PatientBootstrap(std::vector<std::uint32_t> patient,
                                   const std::vector<int>& stratum)
    : patient_(std::move(patient)) {
  if (patient_.empty() || patient_.size() != stratum.size()) {
    throw Error(fmt::format(
        "A bootstrap got {} patients and {} strata; give one of each per case, and at least one "
        "case.",
        patient_.size(), stratum.size()));
  }
  patients_ = *std::max_element(patient_.begin(), patient_.end()) + std::size_t{1};
  std::vector<int> of_patient(patients_, -1);
  for (std::size_t i = 0; i < stratum.size(); ++i) {
    of_patient[patient_[i]] = std::max(of_patient[patient_[i]], stratum[i]);
  }
  strata_.resize(*std::max_element(of_patient.begin(), of_patient.end()) + std::size_t{1});
  for (std::uint32_t p = 0; p < patients_; ++p) {
    if (of_patient[p] >= 0) strata_[of_patient[p]].push_back(p);
  }
}

void PatientBootstrap::draw(std::uint64_t seed, std::uint32_t replicate,
                            std::span<double> weights) const {
  std::vector<double> count(patients_, 0);
  RandomStream random(seed, replicate, kBootstrapStream);
  for (const auto& members : strata_) {
    const auto size = static_cast<std::uint32_t>(members.size());
    for (std::uint32_t k = 0; k < size; ++k) count[members[random.below(size)]] += 1;
  }
  for (std::size_t i = 0; i < patient_.size(); ++i) weights[i] = count[patient_[i]];
}

std::vector<std::vector<double>> bootstrap(const PatientBootstrap& patients, std::size_t values,
                                           const Statistic& statistic,
                                           const ResamplingOptions& options) {
  const auto replicates = static_cast<std::size_t>(std::max(options.replicates, 0));
  std::vector<std::vector<double>> result(values, std::vector<double>(replicates));
  parallel_for(replicates, options.threads, [&](std::size_t r) {
    std::vector<double> weights(patients.cases()), row(values);
    patients.draw(options.seed, static_cast<std::uint32_t>(r), weights);
    statistic(weights, row);
    for (std::size_t v = 0; v < values; ++v) result[v][r] = row[v];
  });
  return result;
}

}  // namespace salus::evaluate
