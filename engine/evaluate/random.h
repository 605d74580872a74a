#pragma once

#include <array>
#include <cstdint>

namespace salus::evaluate {

/// Counter-based generator Philox4x32-10 (Salmon et al. 2011): the numbers of a replicate depend on
/// the seed and its counter alone, so resampling gives the same result under any number of threads.
inline std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::array<std::uint32_t, 4> c) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

/// A stream of numbers of one replicate. `purpose` keeps streams of one seed apart.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint32_t replicate, std::uint32_t purpose)
      : seed_(seed), counter_{0, replicate, purpose, 0} {}

  std::uint32_t next() {
    if (used_ == 4) {
      block_ = philox(seed_, counter_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  /// In [0, n) by multiply-shift; the bias is below n / 2^32.
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * n) >> 32);
  }

 private:
  std::uint64_t seed_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace salus::evaluate
