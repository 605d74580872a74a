#pragma once

#include <string>

#include "engine/io/pytorch_pickle.h"

namespace salus::io {

/// True if a pickle may name this global ("module name").
bool is_allowed_global(const std::string& name);

/// What calling an allowed global with `arguments` (a tuple) gives: a dictionary, a tuple or a
/// tensor.
/// \throws salus::Error naming `origin` if the arguments are not those that PyTorch writes.
PickleValue rebuild(const std::string& global, const PickleValue& arguments,
                    const std::string& origin);

/// The storage of a persistent id, ('storage', type, key, location, count).
PickleValue rebuild_storage(const PickleValue& id, const std::string& origin);

}  // namespace salus::io
