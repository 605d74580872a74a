#pragma once

#include <string>

namespace salus::io {

/// Writes a line to stderr; that nobody can read it there (full, closed) ends nothing.
void say_on_stderr(const std::string& line);

}  // namespace salus::io
