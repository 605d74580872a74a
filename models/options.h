#pragma once

#include <cstdint>
#include <string>

#include "engine/core/registry.h"

namespace salus::models {

/// The option as a whole number from `least` to `most`. \throws UsageError otherwise.
std::int64_t positive_option(const ModelSpec& spec, const std::string& key, std::int64_t fallback,
                             std::int64_t most = 65536, std::int64_t least = 1);

/// The option as a whole number from 0 (the default: without) to 65536. \throws UsageError otherwise.
std::int64_t size_option(const ModelSpec& spec, const std::string& key);

/// The option as a probability in [0, 1). \throws UsageError otherwise.
double fraction_option(const ModelSpec& spec, const std::string& key, double fallback);

/// The option as 0 or 1. \throws UsageError otherwise.
bool flag_option(const ModelSpec& spec, const std::string& key);

}  // namespace salus::models
