#pragma once

#include <string>

namespace salus::io {

/// Processors that the cgroup of a process allows by its CPU bandwidth quota: the least over the
/// group and all groups above it, for cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`).
///
/// \param membership  text of /proc/self/cgroup.
/// \param mount       where the cgroup file systems are mounted, usually /sys/fs/cgroup.
/// \returns quota / period, or 0 if there is no limit or the files cannot be read.
double cgroup_cpu_quota(const std::string& membership, const std::string& mount);

}  // namespace salus::io
