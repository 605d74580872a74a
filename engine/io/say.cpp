#include "engine/io/say.h"

#include <cstdio>

namespace salus::io {

void say_on_stderr(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

}  // namespace salus::io
