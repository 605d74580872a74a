#include "engine/core/toml_text.h"

#include <fmt/core.h>

namespace salus {

std::string toml_string(const std::string& value) {
  std::string quoted = "\"";
  for (const unsigned char c : value) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', static_cast<char>(c)};
    } else if (c < 0x20 || c == 0x7F) {
      quoted += fmt::format("\\u{:04X}", c);
    } else {
      quoted += static_cast<char>(c);
    }
  }
  return quoted + "\"";
}

std::string toml_list(const std::vector<std::string>& values) {
  std::string list = "[";
  for (const auto& value : values) list += (list.size() > 1 ? ", " : "") + toml_string(value);
  return list + "]";
}

}  // namespace salus
