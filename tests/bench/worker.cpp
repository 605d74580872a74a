#include "tests/bench/worker.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>

namespace salus::bench {

void say_ready(const nlohmann::json& about) {
  nlohmann::json line = about;
  line["ready"] = true;
  std::cout << line.dump() << std::endl;
}

bool wait_for_turn() {
  std::string line;
  return static_cast<bool>(std::getline(std::cin, line));
}

void report(double seconds, double items) {
  const nlohmann::json line = {{"seconds", seconds}, {"items", items}};
  std::cout << line.dump() << std::endl;
}

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

void serve(const nlohmann::json& about, double items, const std::function<void()>& work,
           double least_seconds) {
  work();  // caches, lazily packed weights, page faults
  const double start = now();
  work();
  const double once = std::max(now() - start, 1e-7);
  const auto calls = std::clamp<std::int64_t>(std::llround(least_seconds / once), 1, 1000000);
  say_ready(about);
  while (wait_for_turn()) {
    const double begin = now();
    for (std::int64_t i = 0; i < calls; ++i) work();
    report(now() - begin, static_cast<double>(calls) * items);
  }
}

}  // namespace salus::bench
