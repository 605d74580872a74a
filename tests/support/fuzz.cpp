#include "tests/support/fuzz.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <thread>

#include "engine/io/error.h"

namespace salus::test {
namespace {

constexpr std::size_t kMaxFindings = 20;

// Shared between the test and its children.
struct Progress {
  std::atomic<int> current;  // run that the child is at
  std::atomic<int> accepted, refused;
  std::atomic<bool> other_exception;
  char message[400];
};

class SharedProgress {
 public:
  SharedProgress() {
    void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    progress_ = new (memory) Progress{};
  }
  ~SharedProgress() { ::munmap(progress_, sizeof(Progress)); }
  Progress* operator->() { return progress_; }

 private:
  Progress* progress_;
};

Rng rng_of_run(std::uint64_t seed, int run) {
  std::seed_seq sequence{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                         static_cast<std::uint32_t>(run)};
  return Rng(sequence);
}

void write_bytes(const std::string& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

std::int64_t resident_bytes(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/statm", pid));
  std::int64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// Processor time that a process has had. A hang burns it; a machine busy with other work does not.
double processor_seconds(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  const auto name_end = line.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class Fuzzer {
 public:
  Fuzzer(const std::string& name, const FuzzOptions& options,
         const std::function<Bytes(Rng&)>& make,
         const std::function<void(const std::string&)>& consume)
      : name_(name), options_(options), make_(make), consume_(consume) {
    const auto folder = std::filesystem::temp_directory_path();
    path_ = (folder / fmt::format("salus-fuzz-{}-{}", name, ::getpid())).string();
  }
  ~Fuzzer() { std::remove(path_.c_str()); }

  FuzzReport run() {
    FuzzReport report;
    int next = 0;
    while (next < options_.runs && report.findings.size() < kMaxFindings) {
      const int end = std::min(options_.runs, next + options_.inputs_per_child);
      next = run_child(next, end, report);
    }
    report.runs = next;
    report.accepted = progress_->accepted;
    report.refused = progress_->refused;
    return report;
  }

 private:
  // Runs [begin, end) in one child and returns the run to go on with.
  int run_child(int begin, int end, FuzzReport& report) {
    progress_->current = begin;
    progress_->other_exception = false;
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) child_main(begin, end);
    const std::string verdict = watch(child);
    if (verdict.empty()) return end;
    const int run = progress_->current;
    const std::string kept = fmt::format("{}-run{}", path_, run);
    Rng rng = rng_of_run(options_.seed, run);
    write_bytes(kept, make_(rng));
    report.findings.push_back(
        fmt::format("{} (seed {}, run {}) in {}", verdict, options_.seed, run, kept));
    return run + 1;
  }

  [[noreturn]] void child_main(int begin, int end) {
    // The readers' own words on standard error would drown the report.
    if (std::getenv("SALUS_FUZZ_VERBOSE") == nullptr &&
        ::freopen("/dev/null", "w", stderr) == nullptr) {
      ::_exit(2);
    }
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    for (int run = begin; run < end; ++run) {
      progress_->current = run;
      Rng rng = rng_of_run(options_.seed, run);
      write_bytes(path_, make_(rng));
      consume_one();
      if (progress_->other_exception) ::_exit(1);
    }
    ::_exit(0);
  }

  void consume_one() {
    const char* message = nullptr;
    try {
      consume_(path_);
      ++progress_->accepted;
      return;
    } catch (const Error&) {
      ++progress_->refused;
      return;
    } catch (const std::exception& error) {
      message = error.what();
      std::strncpy(progress_->message, message, sizeof(Progress::message) - 1);
    } catch (...) {
      std::strcpy(progress_->message, "not a std::exception");
    }
    progress_->other_exception = true;
  }

  // Waits for the child; returns what went wrong, or "". An input that waits instead of computing
  // is given ten times as long.
  std::string watch(pid_t child) {
    using Clock = std::chrono::steady_clock;
    const std::int64_t limit = resident_bytes(::getpid()) + options_.memory_bytes;
    int seen = -1;
    auto since = Clock::now();
    double busy_since = 0;
    auto pause = std::chrono::microseconds(200);
    while (true) {
      int status = 0;
      if (::waitpid(child, &status, WNOHANG) == child) return verdict_of(status);
      if (progress_->current != seen) {
        seen = progress_->current;
        since = Clock::now();
        busy_since = processor_seconds(child);
      }
      const std::chrono::duration<double> taken = Clock::now() - since;
      std::string verdict;
      const double busy = processor_seconds(child) - busy_since;
      if (busy > options_.seconds_per_input || taken.count() > 10 * options_.seconds_per_input) {
        verdict = "hang";
      }
      if (resident_bytes(child) > limit) verdict = "memory over the limit";
      if (!verdict.empty()) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return verdict;
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(10'000));
    }
  }

  std::string verdict_of(int status) {
    if (progress_->other_exception) {
      return fmt::format("exception other than salus::Error ({})", progress_->message);
    }
    if (WIFSIGNALED(status)) return fmt::format("crash by signal {}", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) return fmt::format("exit status {}", WEXITSTATUS(status));
    return "";
  }

  std::string name_;
  FuzzOptions options_;
  const std::function<Bytes(Rng&)>& make_;
  const std::function<void(const std::string&)>& consume_;
  std::string path_;
  SharedProgress progress_;
};

}  // namespace

FuzzOptions fuzz_options(int default_runs) {
  FuzzOptions options;
  options.runs = default_runs;
  if (const char* runs = std::getenv("SALUS_FUZZ_RUNS")) options.runs = std::atoi(runs);
  if (const char* seed = std::getenv("SALUS_FUZZ_SEED"))
    options.seed = std::strtoull(seed, nullptr, 10);
  return options;
}

std::string FuzzReport::summary() const {
  std::string text = fmt::format("{} inputs: {} read, {} refused, {} findings", runs, accepted,
                                 refused, findings.size());
  for (const std::string& finding : findings) text += "\n  " + finding;
  return text;
}

FuzzReport run_fuzz(const std::string& name, const FuzzOptions& options,
                    const std::function<Bytes(Rng&)>& make,
                    const std::function<void(const std::string&)>& consume) {
  const FuzzReport report = Fuzzer(name, options, make, consume).run();
  fmt::print("fuzz {} (seed {}): {}\n", name, options.seed, report.summary());
  return report;
}

}  // namespace salus::test
