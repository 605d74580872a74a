#pragma once

#include <string>

namespace salus {

/// A basic string of TOML (v1.0.0, "String"): in double quotes, with what needs it escaped.
std::string toml_string(const std::string& value);

}  // namespace salus
