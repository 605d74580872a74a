#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

// The bytes of segment-G.rows and alive-G.bits, little endian, format version 1.
//
// segment-G.rows: SegmentHeader (4096 bytes), then the sections it points at, the rows first, then
// the checksums. Bytes between sections are zero. Integrity: the header has a CRC-32C of itself and
// one of the checksum section; that has a CRC-32C of each 1 MiB from byte 4096 on to its own start.
// So every byte of the file is under a checksum.
//
// alive-G.bits: AliveHeader (64 bytes), then 64-bit words: bit i % 64 of word i / 64 is 1 while row
// i is not deleted; bits from `rows` on are 0.

namespace salus::similar {

static_assert(std::endian::native == std::endian::little, "the files are mapped as they are");

inline constexpr std::array<char, 8> kSegmentMagic = {'S', 'A', 'L', 'U', 'S', 'S', 'I', 'M'};
inline constexpr std::array<char, 8> kAliveMagic = {'S', 'A', 'L', 'U', 'S', 'B', 'I', 'T'};
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint64_t kChecksumBlock = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kSectionAlignment = 64;  ///< of the operator's vector loads
inline constexpr std::size_t kMaxAttributes = 64;

enum SectionName : std::size_t {
  kRows,         ///< dtype [N, D]; begins at byte 4096
  kScales,       ///< float32 [N] for int8, or else empty
  kOriginals,    ///< float32 [N, D], or empty
  kNorms,        ///< float32 [N]; this and the next three as similarity_prepare() gives them
  kMultipliers,  ///< float32 [N]
  kOffsets,      ///< float32 [N] for l2, or else empty
  kBounds,       ///< float32 [ceil(N / 256), 4]
  kIds,          ///< integers: int64 [N]; text: uint64 [N + 1], where each begins in kIdText
  kIdText,       ///< the bytes of text ids, end to end
  kIdOrder,      ///< uint64 [N]: the rows in ascending order of their ids
  kChecksums,    ///< uint32 per block
  kFirstAttribute
};
// An attribute has two sections. Number: float64 [N], NaN where missing; and an empty one. Text:
// uint32 [N], the value's place in the dictionary or kNoText; and the dictionary: uint64 count,
// uint64 [count + 1] where each begins after these, the bytes.

inline constexpr std::uint32_t kNoText = 0xffffffffu;

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct SegmentHeader {
  std::array<char, 8> magic = kSegmentMagic;
  std::uint32_t version = kFormatVersion;
  std::uint32_t checksum = 0;  ///< of these 4096 bytes with this field 0
  std::uint64_t file_bytes = 0;
  std::uint64_t rows = 0;
  std::uint64_t unfindable = 0;  ///< rows that no search finds: NaN, infinite, zero for cosine
  std::uint32_t dim = 0;
  std::uint32_t dtype = 0;    ///< place of the name in "f32", "f16", "bf16", "int8"
  std::uint32_t metric = 0;   ///< place of the name in "cosine", "ip", "l2"
  std::uint32_t id_kind = 0;  ///< 0 integer, 1 text
  std::uint32_t attributes = 0;
  std::uint32_t checksums_checksum = 0;
  std::uint32_t prepared_by = 0;  ///< which similarity_prepare() made norms to bounds
  std::uint32_t unused = 0;
  std::array<Extent, kFirstAttribute + 2 * kMaxAttributes> sections{};
  std::array<std::byte, 1800> reserved{};
};
static_assert(sizeof(SegmentHeader) == 4096);

struct AliveHeader {
  std::array<char, 8> magic = kAliveMagic;
  std::uint32_t version = kFormatVersion;
  std::uint32_t checksum = 0;  ///< of these 64 bytes with this field 0, and of the words
  std::uint64_t rows = 0;
  std::uint64_t alive = 0;
  std::array<std::byte, 32> reserved{};
};
static_assert(sizeof(AliveHeader) == 64);

constexpr std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace salus::similar
