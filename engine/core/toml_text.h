#pragma once

#include <string>
#include <vector>

namespace salus {

/// A basic string of TOML (v1.0.0, "String"): in double quotes, with what needs it escaped.
std::string toml_string(const std::string& value);

/// An array of such strings.
std::string toml_list(const std::vector<std::string>& values);

}  // namespace salus
