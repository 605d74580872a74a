#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "kernels/padding.h"

// Packed weights and working memory of small matrix products on the CPU (panels-inl.h).

namespace salus::kernels {

/// Memory at multiples of 64 bytes: no vector of 16 floats crosses a cache line.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}
  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* p, std::size_t) { ::operator delete (p, std::align_val_t{64}); }
  bool operator==(const CacheLineAllocator&) const { return true; }
};
using AlignedFloats = std::vector<float, CacheLineAllocator<float>>;

/// The right operand of a product, depth x columns, as panels of 16 columns: element (k, j) is
/// data[j / 16 * depth * 16 + k * 16 + j % 16].
struct Panels {
  std::int64_t depth = 0, columns = 0;
  AlignedFloats data;
};

/// Packs element(k, j) of depth x columns; columns are a multiple of 16.
template <class Element>
Panels pack_panels(std::int64_t depth, std::int64_t columns, const Element& element) {
  Panels panels{depth, columns, {}};
  panels.data.resize(static_cast<std::size_t>(depth * columns));
  float* to = panels.data.data();
  for (std::int64_t first = 0; first < columns; first += 16) {
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t j = first; j < first + 16; ++j) *to++ = element(k, j);
    }
  }
  return panels;
}

/// y [rows, columns] = x [rows, depth] times the packed operand, plus `bias` [columns]; `x_row` floats
/// from one row of x to the next. A row has the same bits in any company.
void multiply_panels_cpu(std::int64_t rows, const float* x, std::int64_t x_row,
                         const Panels& panels, const float* bias, float* y);

/// Hands out pieces of a block, each of whole vectors; with no block it only counts.
class Carver {
 public:
  explicit Carver(float* memory) : memory_(memory) {}
  float* take(std::int64_t floats) {
    float* piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += padded16(floats);
    return piece;
  }
  std::size_t used() const { return static_cast<std::size_t>(used_); }

 private:
  float* memory_;
  std::int64_t used_ = 0;
};

}  // namespace salus::kernels
