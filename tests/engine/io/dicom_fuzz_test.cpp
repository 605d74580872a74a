// Mutated real files: each is read or refused within ten seconds and a stated memory.
#include <gtest/gtest.h>

#include "tests/support/dicom_files.h"
#include "tests/support/dicom_mutator.h"

namespace salus::test {
namespace {

/// Pixels of at most 64 MiB, so that time and memory speak of the reader and not of the file.
constexpr std::int64_t kPixelLimit = std::int64_t{64} << 20;
/// Resident memory above that of the test: what decoding 64 MiB of pixels may take in all.
constexpr std::int64_t kMemoryLimit = std::int64_t{1} << 30;

TEST(DicomFuzzTest, MutatedFilesAreReadOrRefused) {
  const std::vector<Bytes> seeds = dicom_seeds();
  FuzzOptions options = fuzz_options(400);
  options.memory_bytes = kMemoryLimit;
  io::ReadLimits limits;
  limits.max_pixel_bytes = kPixelLimit;
  const FuzzReport report = run_fuzz(
      "dicom", options, [&](Rng& rng) { return mutate_dicom(seeds, rng); },
      [&](const std::string& path) {
        io::read_dicom_header(path, limits);
        const io::Image image = io::read_dicom(path, limits);
        io::modality_values(image);
      });
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_EQ(report.runs, options.runs);
  // A mutator that breaks every file, or none, would test nothing.
  EXPECT_GT(report.accepted, options.runs / 20);
  EXPECT_GT(report.refused, options.runs / 20);
}

}  // namespace
}  // namespace salus::test
