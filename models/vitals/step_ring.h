#pragma once

#include <cstdint>

namespace salus::models {

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
