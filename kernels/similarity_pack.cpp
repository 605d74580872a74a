// Queries in the layouts that the readers of similarity_scan.h multiply.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/similarity_scan.h"
#include "kernels/similarity_values.h"

namespace salus::kernels {
namespace {

constexpr int kMostValues = 4096;   // of a row: kLargestSimilarityDim
constexpr int kVectorPadding = 64;  // elements: whole vectors of every type

std::int64_t padded_to(std::int64_t size, std::int64_t unit) {
  return (size + unit - 1) / unit * unit;
}

float largest_magnitude(const float* values, int dim) {
  float largest = 0;
  for (int d = 0; d < dim; ++d) largest = std::max(largest, std::abs(values[d]));
  return largest;
}

/// Sums of squared differences in double: at most 4096 terms, so norm_above() holds.
class Difference {
 public:
  void add(float exact, float rounded) {
    const double difference = static_cast<double>(exact) - rounded;
    squares_ += difference * difference;
  }
  float norm() const { return squares_ == 0 ? 0.0f : norm_above(static_cast<float>(squares_)); }

 private:
  double squares_ = 0;
};

/// Rounds to integers of at most `largest`, and says what 1 is worth.
template <typename Put>
float quantize(const float* values, int dim, int largest, Difference& difference, Put put) {
  const float unit = largest_magnitude(values, dim) / static_cast<float>(largest);
  // A unit of subnormal size would not multiply back to what it was.
  if (unit < 0x1p-120f) {
    for (int d = 0; d < dim; ++d) put(d, 0), difference.add(values[d], 0);
    return 0;
  }
  const float limit = static_cast<float>(largest);
  for (int d = 0; d < dim; ++d) {
    const float steps = std::clamp(std::nearbyint(values[d] / unit), -limit, limit);
    put(d, static_cast<int>(steps));
    difference.add(values[d], steps * unit);
  }
  return unit;
}

/// int16 products of int8 rows must not overflow 32 bits.
int largest_int16(int dim) { return std::min(32767, 0x7fffffff / (127 * dim)); }

void pack_vector(const ScanPlan& plan, int q, const float* values, void* packed, float& unit,
                 float& difference) {
  const std::int64_t pitch = padded_to(plan.dim, kVectorPadding);
  if (!plan.int8_products()) {
    std::copy_n(values, plan.dim, static_cast<float*>(packed) + q * pitch);
    return;
  }
  Difference lost;
  std::int16_t* to = static_cast<std::int16_t*>(packed) + q * pitch;
  unit = quantize(values, plan.dim, largest_int16(plan.dim), lost,
                  [=](int d, int v) { to[d] = static_cast<std::int16_t>(v); });
  difference = lost.norm();
}

/// All queries of a tile at once, so that it is written line by line.
void pack_float_tile(const ScanPlan& plan, const float* const values[kTileQueries], float* packed) {
  static constexpr float kZeros[kMostValues] = {};
  const float* from[kTileQueries];
  for (int q = 0; q < kTileQueries; ++q) from[q] = values[q] != nullptr ? values[q] : kZeros;
  for (int d = 0; d < plan.dim; ++d, packed += kTileQueries) {
    for (int q = 0; q < kTileQueries; ++q) packed[q] = from[q][d];
  }
  const std::int64_t padding = plan.packed_bytes() / 4 - std::int64_t{plan.dim} * kTileQueries;
  std::fill_n(packed, padding, 0.0f);
}

void pack_amx(const ScanPlan& plan, int q, const float* values, void* packed, float& unit,
              float& difference) {
  char* bytes = static_cast<char*>(packed) + std::int64_t{4} * q;
  if (plan.int8_products()) {
    Difference lost;
    unit = quantize(values, plan.dim, 127, lost, [=](int d, int v) {
      bytes[std::int64_t{d} / 4 * 4 * kTileQueries + d % 4] = static_cast<char>(v);
    });
    difference = lost.norm();
    return;
  }
  BFloat16 rounded[kMostValues + 1];
  difference = round_to_bfloat16(values, plan.dim, rounded);
  rounded[plan.dim] = BFloat16{0};
  for (int d = 0; d < plan.dim; d += 2) {
    std::memcpy(bytes + std::int64_t{d} / 2 * 4 * kTileQueries, rounded + d, 4);
  }
}

}  // namespace

std::int64_t ScanPlan::packed_bytes() const {
  switch (reader) {
    case Reader::kVector:
      return padded_to(dim, kVectorPadding) * kTileQueries * (int8_products() ? 2 : 4);
    case Reader::kFloatTiles:
      return padded_to(dim, 4) * kTileQueries * 4;
    case Reader::kAmx:
      return padded_to(std::int64_t{dim} * (int8_products() ? 1 : 2), kTileStep) * kTileQueries;
  }
  return 0;
}

std::int64_t ScanPlan::decoded_bytes() const {
  switch (reader) {
    case Reader::kVector:
      return 0;
    case Reader::kFloatTiles:
      return padded_to(std::int64_t{dim} * 4, kTileStep) * kTileRows;
    case Reader::kAmx:
      return padded_to(std::int64_t{dim} * (int8_products() ? 1 : 2), kTileStep) * kTileRows;
  }
  return 0;
}

void pack_tile(const ScanPlan& plan, const float* const values[kTileQueries], void* packed,
               float* units, float* differences) {
  std::fill_n(units, kTileQueries, 1.0f);
  std::fill_n(differences, kTileQueries, 0.0f);
  if (plan.reader == Reader::kFloatTiles) {
    return pack_float_tile(plan, values, static_cast<float*>(packed));
  }
  std::memset(packed, 0, static_cast<std::size_t>(plan.packed_bytes()));
  const auto pack_query = plan.reader == Reader::kVector ? pack_vector : pack_amx;
  for (int q = 0; q < kTileQueries; ++q) {
    if (values[q] != nullptr) pack_query(plan, q, values[q], packed, units[q], differences[q]);
  }
}

}  // namespace salus::kernels
