#include "engine/similar/segment_layout.h"

#include <ATen/ops/zeros.h>

#include <cmath>

#include "engine/io/crc32c.h"
#include "engine/similar/segment_writer.h"
#include "kernels/similarity_bound.h"

namespace salus::similar {
namespace {

static_assert(kBoundsBlock == kernels::kSimilarityBlock);

std::uint32_t dtype_code(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return 0;
    case at::kHalf:
      return 1;
    case at::kBFloat16:
      return 2;
    default:
      return 3;
  }
}

std::uint32_t metric_code(kernels::Metric metric) {
  switch (metric) {
    case kernels::Metric::kCosine:
      return 0;
    case kernels::Metric::kInnerProduct:
      return 1;
    case kernels::Metric::kL2:
      return 2;
  }
  return 0;
}

/// Two blocks of rows of every magnitude, one of zeros and none that is not finite (the bits of a
/// NaN are nobody's promise).
at::Tensor probe_rows() {
  constexpr std::int64_t kProbeDim = 40;
  const at::Tensor rows = at::zeros({kBoundsBlock + 3, kProbeDim}, at::kFloat);
  auto* values = rows.mutable_data_ptr<float>();
  std::uint32_t state = 1;
  for (std::int64_t i = kProbeDim; i < rows.numel(); ++i) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
    const auto mantissa = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
    values[i] = std::ldexp(mantissa, static_cast<int>(i / kProbeDim % 21) - 10);
  }
  return rows;
}

}  // namespace

SegmentHeader header_for(const Manifest& manifest, std::uint64_t rows) {
  SegmentHeader header;
  header.rows = rows;
  header.dim = static_cast<std::uint32_t>(manifest.dim);
  header.dtype = dtype_code(manifest.dtype);
  header.metric = metric_code(manifest.metric);
  header.id_kind = manifest.ids == IdKind::kInteger ? 0 : 1;
  header.attributes = static_cast<std::uint32_t>(manifest.attributes.size());
  return header;
}

std::optional<std::uint64_t> section_bytes(const Manifest& manifest, std::uint64_t rows,
                                           std::size_t name) {
  const auto dim = static_cast<std::uint64_t>(manifest.dim);
  switch (name) {
    case kRows:
      return rows * dim * c10::elementSize(manifest.dtype);
    case kScales:
      return manifest.dtype == at::kChar ? rows * 4 : 0;
    case kOriginals:
      return manifest.originals ? rows * dim * 4 : 0;
    case kNorms:
    case kMultipliers:
      return rows * 4;
    case kOffsets:
      return manifest.metric == kernels::Metric::kL2 ? rows * 4 : 0;
    case kBounds:
      return (rows + kBoundsBlock - 1) / kBoundsBlock * 16;
    case kIds:
      return manifest.ids == IdKind::kInteger ? rows * 8 : (rows + 1) * 8;
    case kIdText:
      return manifest.ids == IdKind::kInteger ? std::optional<std::uint64_t>(0) : std::nullopt;
    case kIdOrder:
      return rows * 8;
    case kChecksums:
      return std::nullopt;
    default:
      break;
  }
  const std::size_t place = name - kFirstAttribute;
  const bool number = manifest.attributes[place / 2].kind == AttributeKind::kNumber;
  if (place % 2 == 0) return rows * (number ? 8 : 4);
  return number ? std::optional<std::uint64_t>(0) : std::nullopt;
}

std::uint64_t checksum_bytes(std::uint64_t offset) {
  return (offset - sizeof(SegmentHeader) + kChecksumBlock - 1) / kChecksumBlock * 4;
}

std::uint32_t header_checksum(SegmentHeader header) {
  header.checksum = 0;
  return io::crc32c(std::as_bytes(std::span(&header, 1)));
}

std::uint32_t alive_checksum(AliveHeader header, std::span<const std::byte> words) {
  header.checksum = 0;
  return io::crc32c(words, io::crc32c(std::as_bytes(std::span(&header, 1))));
}

std::uint32_t preparation(const Manifest& manifest) {
  const StoredRows probe = store_rows(probe_rows(), manifest);
  const auto made =
      kernels::similarity_prepare(probe.rows, manifest.metric, probe.scales, probe.originals);
  std::uint32_t checksum = 0;
  for (const at::Tensor& part : {made.norms, made.multipliers, made.offsets, made.bounds}) {
    if (!part.defined()) continue;
    const auto* bytes = static_cast<const std::byte*>(part.const_data_ptr());
    checksum = io::crc32c({bytes, part.nbytes()}, checksum);
  }
  return checksum;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> foreign_bytes(const SegmentHeader& header,
                                                                   std::int64_t begin,
                                                                   std::int64_t end) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto name : {kRows, kScales, kOriginals}) {
    const Extent& extent = header.sections[name];
    const std::uint64_t width = extent.bytes / header.rows;
    ranges.emplace_back(extent.offset, extent.offset + static_cast<std::uint64_t>(begin) * width);
    ranges.emplace_back(extent.offset + static_cast<std::uint64_t>(end) * width,
                        extent.offset + extent.bytes);
  }
  return ranges;
}

}  // namespace salus::similar
