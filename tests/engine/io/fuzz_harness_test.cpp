// The harness must find what it is there to find: each case plants one fault.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "engine/io/error.h"
#include "tests/support/fuzz.h"

namespace salus::test {
namespace {

FuzzOptions small() {
  FuzzOptions options;
  options.runs = 12;
  options.inputs_per_child = 5;
  return options;
}

Bytes one_byte(Rng& rng) { return {static_cast<std::byte>(below(rng, 256))}; }

// Fails on the third run only: tells that the harness goes on after a finding.
FuzzReport run_with_fault_at_run_2(const FuzzOptions& options, const std::function<void()>& fault) {
  int calls = 0;
  const auto make = [&](Rng& rng) {
    Bytes bytes = one_byte(rng);
    bytes.resize(static_cast<std::size_t>(++calls));
    return bytes;
  };
  const auto consume = [&](const std::string& path) {
    if (std::filesystem::file_size(path) == 3) fault();
  };
  FuzzReport report = run_fuzz("harness", options, make, consume);
  for (const std::string& finding : report.findings) {
    std::filesystem::remove(finding.substr(finding.rfind(" in ") + 4));
  }
  return report;
}

TEST(FuzzHarnessTest, CountsWhatIsReadAndWhatIsRefused) {
  const auto consume = [](const std::string& path) {
    if (read_test_file(path)[0] < std::byte{128}) throw Error("refused");
  };
  const FuzzReport report = run_fuzz("harness", small(), one_byte, consume);
  EXPECT_EQ(report.runs, 12);
  EXPECT_EQ(report.accepted + report.refused, 12);
  EXPECT_GT(report.accepted, 0);
  EXPECT_GT(report.refused, 0);
  EXPECT_TRUE(report.findings.empty());
}

TEST(FuzzHarnessTest, ReportsACrashAndGoesOn) {
  const auto report = run_with_fault_at_run_2(small(), [] { ::raise(SIGKILL); });
  ASSERT_GE(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].find("crash by signal 9"), std::string::npos);
  EXPECT_NE(report.findings[0].find("run 2"), std::string::npos);
  EXPECT_EQ(report.runs, 12);
}

TEST(FuzzHarnessTest, ReportsAHang) {
  FuzzOptions options = small();
  options.seconds_per_input = 0.3;
  options.runs = 5;
  const auto report = run_with_fault_at_run_2(options, [] { ::pause(); });
  ASSERT_GE(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].rfind("hang", 0), 0u);
}

TEST(FuzzHarnessTest, ReportsAMemoryHog) {
  FuzzOptions options = small();
  options.memory_bytes = 64 << 20;
  options.runs = 5;
  const auto report = run_with_fault_at_run_2(options, [] {
    std::vector<char> hog(256 << 20);
    std::memset(hog.data(), 1, hog.size());
    ::usleep(300'000);
    if (hog[5] == 2) throw Error("never");
  });
  ASSERT_GE(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].rfind("memory", 0), 0u);
}

TEST(FuzzHarnessTest, ReportsAnExceptionThatIsNotOurs) {
  const auto report = run_with_fault_at_run_2(small(), [] { throw std::out_of_range("planted"); });
  ASSERT_GE(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].find("planted"), std::string::npos);
}

TEST(FuzzHarnessTest, MakesTheSameInputsFromTheSameSeed) {
  Bytes a(200, std::byte{7}), b = a, c = a;
  Rng first(1), second(1), third(2);
  mutate(a, first);
  mutate(b, second);
  mutate(c, third);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

}  // namespace
}  // namespace salus::test
