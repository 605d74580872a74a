#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

/// Fuzzing of file readers in forked children, with a watchdog: a crash, a hang or a memory hog is
/// a finding that names the input, not the end of the test.
namespace salus::test {

using Bytes = std::vector<std::byte>;
using Rng = std::mt19937_64;

/// What may happen to one input. Every run draws from its own generator, seeded by `seed` and its
/// number: input `k` is the same whatever ran before it.
struct FuzzOptions {
  int runs = 300;
  std::uint64_t seed = 20240601;
  double seconds_per_input = 10;                      ///< of processor time
  std::int64_t memory_bytes = std::int64_t{1} << 30;  ///< resident, above that of the parent
  int inputs_per_child = 250;
};

/// Options with SALUS_FUZZ_RUNS and SALUS_FUZZ_SEED of the environment applied.
FuzzOptions fuzz_options(int default_runs = 300);

struct FuzzReport {
  int runs = 0;
  int accepted = 0;                   ///< consume returned
  int refused = 0;                    ///< consume threw salus::Error
  std::vector<std::string> findings;  ///< crash, hang, memory, other exception; at most 20
  std::string summary() const;
};

/// Calls `make` for each run, writes its bytes to a file and calls `consume` with its path. An
/// input that leads to a finding is kept in the temporary folder, and the finding names it.
FuzzReport run_fuzz(const std::string& name, const FuzzOptions& options,
                    const std::function<Bytes(Rng&)>& make,
                    const std::function<void(const std::string& path)>& consume);

/// Uniform in [0, n); 0 for n = 0. Unlike std::uniform_int_distribution the same everywhere.
std::uint64_t below(Rng& rng, std::uint64_t n);

/// One to four random edits: bits, bytes, integers at the edge of their range in either byte order,
/// text digits, pieces cut, repeated, swapped or moved, the end cut off.
void mutate(Bytes& bytes, Rng& rng);

Bytes read_test_file(const std::string& path);

}  // namespace salus::test
