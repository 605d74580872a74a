#include "engine/io/cpu_quota.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "engine/io/files.h"

namespace salus::io {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// "QUOTA PERIOD" in microseconds; "max" or -1 is no limit.
double ratio(const std::string& text) {
  double quota = 0, period = 0;
  std::istringstream in(text);
  return in >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

double quota_of_v2(const std::string& folder) { return ratio(text_of(folder + "/cpu.max")); }

double quota_of_v1(const std::string& folder) {
  return ratio(text_of(folder + "/cpu.cfs_quota_us") + " " +
               text_of(folder + "/cpu.cfs_period_us"));
}

// A limit of any group above binds too. Inside a container the path is often that of the host and
// is not there: the walk upwards then ends at the container's own root, which holds its limit.
template <typename Quota>
double least_upwards(const std::string& root, std::string group, Quota quota_of) {
  double least = 0;
  while (true) {
    const double quota = quota_of(root + group);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
    if (group.empty()) return least;
    group.erase(group.find_last_of('/') == std::string::npos ? 0 : group.find_last_of('/'));
  }
}

bool lists(const std::string& controllers, const std::string& wanted) {
  return ("," + controllers + ",").find("," + wanted + ",") != std::string::npos;
}

int affinity_count() {
  for (std::size_t processors = 1024; processors <= 1 << 20; processors *= 2) {
    cpu_set_t* set = CPU_ALLOC(processors);
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return count;
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

double cgroup_cpu_quota(const std::string& membership, const std::string& mount) {
  double least = 0;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    double quota = 0;
    if (controllers.empty()) quota = least_upwards(mount, group, quota_of_v2);
    if (lists(controllers, "cpu")) {
      quota = least_upwards(mount + "/" + controllers, group, quota_of_v1);
      if (quota == 0) quota = least_upwards(mount + "/cpu", group, quota_of_v1);
    }
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least;
}

int available_threads() {
  const double quota = cgroup_cpu_quota(text_of("/proc/self/cgroup"), "/sys/fs/cgroup");
  int threads = std::max(1, affinity_count());
  // Rounded down: a thread beyond the quota gets the whole group throttled, barriers included.
  if (quota > 0) threads = std::min(threads, std::max(1, static_cast<int>(std::floor(quota))));
  return threads;
}

}  // namespace salus::io
