#pragma once

#include <bit>
#include <cstdint>

namespace salus::models {

/// How many bins a series has had, kept in one float of its state as bits.
inline std::uint32_t bins_in(float slot) { return std::bit_cast<std::uint32_t>(slot); }
inline float slot_of(std::uint32_t bins) { return std::bit_cast<float>(bins); }

/// The last `length` rows of a series in a ring: the row of bin t lies in place t mod length.
class StepRing {
 public:
  StepRing(float* memory, std::int64_t length, std::int64_t row)
      : memory_(memory), length_(length), row_(row) {}

  /// Where the row of bin t lies, or is to be written; valid until bin t + length is.
  float* at(std::int64_t t) const { return memory_ + t % length_ * row_; }

 private:
  float* memory_;
  std::int64_t length_, row_;
};

}  // namespace salus::models
