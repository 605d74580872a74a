#pragma once

#include "engine/core/registry.h"

namespace salus {

/// Adds every architecture of this project to `registry`.
void register_zoo(Registry& registry);

}  // namespace salus
