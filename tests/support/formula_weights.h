#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace salus::test {

/// `count` numbers in [-1, 1): a 32-bit integer hash of (FNV-1a of `name`, position), equal to the
/// bit to uniform() in tests/support/golden/torchvision_models.py.
inline std::vector<double> formula_uniform(const std::string& name, std::size_t count) {
  std::uint32_t seed = 2166136261u;
  for (const unsigned char byte : name) seed = (seed ^ byte) * 16777619u;
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t x = static_cast<std::uint32_t>(i) * 2654435761u + seed;
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    x ^= x >> 16;
    values[i] = x / 2147483648.0 - 1;
  }
  return values;
}

/// Values of the parameter or buffer `name`, chosen so that a deep network neither dies nor bursts.
inline std::vector<float> formula_weights(const std::string& name,
                                          const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const std::vector<double> u = formula_uniform(name, static_cast<std::size_t>(count));
  const double fan_in = shape.size() >= 2 ? static_cast<double>(count / shape[0]) : 1;
  double middle = 0, reach = 0.1;
  if (name.ends_with("running_var")) {
    middle = 1, reach = 0.5;
  } else if (shape.size() >= 2) {
    reach = std::sqrt(6.0 / fan_in);
  } else if (name.ends_with("weight")) {
    middle = 1, reach = 0.2;
  }
  std::vector<float> values(u.size());
  for (std::size_t i = 0; i < u.size(); ++i) values[i] = static_cast<float>(middle + reach * u[i]);
  return values;
}

}  // namespace salus::test
