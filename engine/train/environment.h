#pragma once

#include <string>

namespace salus::train {

/// What a run ran on and in, as JSON: versions, processor, threads, device, git revision of the
/// configuration's folder ("" if it is in none), hash of the data. No host or user name.
std::string describe_environment(const std::string& config_path, const std::string& device,
                                 const std::string& data_hash, bool fast_dev_run);

}  // namespace salus::train
