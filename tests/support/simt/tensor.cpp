#include "tests/support/simt/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "tests/support/simt/cuda_builtins.h"
#include "tests/support/simt/scheduler.h"

// Layouts from the figures of the PTX ISA, "Matrix Fragments for mma.m16n8k16", "... .m16n8k32",
// "... .m16n8k8" and "ldmatrix".
namespace simt {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kBytesOfK = 32;

/// What each lane of an instruction with .aligned brings first: all must stand at one line.
struct Aligned {
  const char* file;
  int line;
};

void check_one_line(void* const lanes[32], const char* name) {
  const auto& first = *static_cast<const Aligned*>(lanes[0]);
  for (int lane = 1; lane < 32; ++lane) {
    const auto& other = *static_cast<const Aligned*>(lanes[lane]);
    if (other.line == first.line && std::strcmp(other.file, first.file) == 0) continue;
    Scheduler::current()->fail(std::string("Divergent ") + name + ": lane 0 calls it at line " +
                               std::to_string(first.line) + ", lane " + std::to_string(lane) +
                               " at line " + std::to_string(other.line) +
                               "; the whole warp must run the same one.");
  }
}

struct MmaLane : Aligned {
  const std::uint32_t* a;
  const std::uint32_t* b;
  void* c;
};

float element(MmaKind kind, const unsigned char* bytes) {
  std::uint16_t half = 0;
  std::uint32_t word = 0;
  std::memcpy(&half, bytes, 2);
  if (kind == MmaKind::kHalf) return static_cast<float>(std::bit_cast<_Float16>(half));
  if (kind == MmaKind::kBFloat16) return std::bit_cast<float>(std::uint32_t{half} << 16);
  std::memcpy(&word, bytes, 4);
  return std::bit_cast<float>(word & 0xffffe000u);  // the low 13 bits do not reach the tensor core
}

/// The sum of exact terms as tensor cores make it: each is cut off below the 24 bits of the
/// largest, and so is the sum.
float truncated_sum(const double* terms, int count) {
  double largest = 0;
  double plain = 0;
  for (int i = 0; i < count; ++i) {
    largest = std::max(largest, std::abs(terms[i]));
    plain += terms[i];
  }
  if (largest == 0 || !std::isfinite(plain)) return static_cast<float>(plain);
  // The power of two at or below `largest`, by its exponent alone: scaling by it is exact.
  constexpr std::uint64_t kExponent = 0x7ff0000000000000u;
  const double unit =
      std::bit_cast<double>(std::bit_cast<std::uint64_t>(largest) & kExponent) * 0x1p-23;
  const double per_unit = 1 / unit;
  std::int64_t units = 0;  // the conversion cuts off
  for (int i = 0; i < count; ++i) units += static_cast<std::int64_t>(terms[i] * per_unit);
  const double sum = static_cast<double>(units) * unit;
  const auto nearest = static_cast<float>(sum);
  return std::abs(nearest) > std::abs(sum) ? std::nextafter(nearest, 0.0f) : nearest;
}

/// The matrices of one mma, put together from the lanes' registers.
struct Operands {
  unsigned char a[kRows][kBytesOfK];
  unsigned char b[kColumns][kBytesOfK];
};

Operands gather(void* const lanes[32]) {
  Operands matrices;
  for (int lane = 0; lane < 32; ++lane) {
    const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
    const int group = lane / 4;
    const int byte = lane % 4 * 4;
    std::memcpy(&matrices.a[group][byte], &own.a[0], 4);
    std::memcpy(&matrices.a[group + 8][byte], &own.a[1], 4);
    std::memcpy(&matrices.a[group][byte + 16], &own.a[2], 4);
    std::memcpy(&matrices.a[group + 8][byte + 16], &own.a[3], 4);
    std::memcpy(&matrices.b[group][byte], &own.b[0], 4);
    std::memcpy(&matrices.b[group][byte + 16], &own.b[1], 4);
  }
  return matrices;
}

/// Calls update(element of C, row, column) for each lane's four elements.
template <typename T, typename Update>
void for_each_sum(void* const lanes[32], Update update) {
  for (int lane = 0; lane < 32; ++lane) {
    auto* c = static_cast<T*>(static_cast<MmaLane*>(lanes[lane])->c);
    for (int i = 0; i < 4; ++i) update(c[i], lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
  }
}

template <MmaKind kKind>
void combine_mma(void* const lanes[32], unsigned /*mask*/) {
  check_one_line(lanes, "mma");
  const Operands matrices = gather(lanes);
  if constexpr (kKind == MmaKind::kInt8) {
    for_each_sum<std::uint32_t>(lanes, [&](std::uint32_t& sum, int row, int column) {
      for (int k = 0; k < kBytesOfK; ++k) {
        const int product = static_cast<std::int8_t>(matrices.a[row][k]) *
                            static_cast<std::int8_t>(matrices.b[column][k]);
        sum += static_cast<std::uint32_t>(product);
      }
    });
    return;
  }
  constexpr int kBytes = kKind == MmaKind::kTf32 ? 4 : 2;
  constexpr int kTerms = kBytesOfK / kBytes;
  double a[kRows][kTerms];
  double b[kColumns][kTerms];
  for (int k = 0; k < kTerms; ++k) {
    for (int row = 0; row < kRows; ++row) a[row][k] = element(kKind, &matrices.a[row][k * kBytes]);
    for (int n = 0; n < kColumns; ++n) b[n][k] = element(kKind, &matrices.b[n][k * kBytes]);
  }
  for_each_sum<float>(lanes, [&](float& sum, int row, int column) {
    double terms[kTerms + 1] = {sum};
    for (int k = 0; k < kTerms; ++k) terms[k + 1] = a[row][k] * b[column][k];
    sum = truncated_sum(terms, kTerms + 1);
  });
}

struct MatrixLane : Aligned {
  std::uint32_t* to;
  const unsigned char* row;
  int matrices;
  bool transposed;
};

void combine_ldmatrix(void* const lanes[32], unsigned /*mask*/) {
  check_one_line(lanes, "ldmatrix");
  const auto lane_of = [&](int lane) -> MatrixLane& {
    return *static_cast<MatrixLane*>(lanes[lane]);
  };
  const bool transposed = lane_of(0).transposed;
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4;
    const int pair = lane % 4 * 2;
    for (int m = 0; m < lane_of(lane).matrices; ++m) {
      const auto row = [&](int r) { return lane_of(8 * m + r).row; };
      std::uint16_t pieces[2];
      for (int i = 0; i < 2; ++i) {
        const unsigned char* from =
            transposed ? row(pair + i) + 2 * group : row(group) + 2 * (pair + i);
        std::memcpy(&pieces[i], from, 2);
      }
      std::memcpy(&lane_of(lane).to[m], pieces, 4);
    }
  }
}

void check_shared(const void* row) {
  Scheduler& scheduler = *Scheduler::current();
  const EmulatorScope scope(scheduler.running());
  if (scheduler.shared_containing(reinterpret_cast<std::uintptr_t>(row)) != nullptr) return;
  scheduler.fail("Wrong space: " + scheduler.name_of(scheduler.running_id()) +
                 " gives ldmatrix a row that is not in shared memory.");
}

}  // namespace

void mma(MmaKind kind, void* c, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
         const char* file, int line) {
  constexpr Combine kCombine[] = {combine_mma<MmaKind::kHalf>, combine_mma<MmaKind::kBFloat16>,
                                  combine_mma<MmaKind::kInt8>, combine_mma<MmaKind::kTf32>};
  MmaLane lane{{file, line}, a, b, c};
  collective("mma", kCombine[static_cast<int>(kind)], 0xffffffffu, &lane, file, line);
}

void ldmatrix(std::uint32_t* to, int matrices, bool transposed, const void* row, const char* file,
              int line) {
  const Thread& thread = *Scheduler::current()->running();
  if (thread.lane() < 8u * static_cast<unsigned>(matrices)) {
    check_aligned(row, 16, "ldmatrix");
    check_shared(row);
    if (counts_accesses()) {
      note_access(reinterpret_cast<std::uintptr_t>(row), 16, Access::kRead,
                  __builtin_return_address(0));
    }
  }
  MatrixLane lane{{file, line}, to, static_cast<const unsigned char*>(row), matrices, transposed};
  collective("ldmatrix", combine_ldmatrix, 0xffffffffu, &lane, file, line);
}

}  // namespace simt
