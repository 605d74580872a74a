#include "engine/similar/segment.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

#include "engine/io/crc32c.h"
#include "engine/io/error.h"
#include "engine/similar/ids.h"
#include "engine/similar/segment_layout.h"

namespace salus::similar {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(fmt::format("{} {}.", path, reason));
}

constexpr const char* kDamaged =
    "is damaged: a checksum does not fit; copy the index again or build it anew";

template <typename Header>
Header header_of(const io::MappedFile& file, const std::array<char, 8>& magic) {
  const auto bytes = file.bytes();
  Header header;
  if (bytes.size() < sizeof header) {
    refuse(file.path(), "is truncated: it ends inside its header; copy the index again");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != magic) {
    refuse(file.path(), "is no file of a similarity index; copy the index again");
  }
  if (header.version > kFormatVersion) {
    refuse(file.path(), fmt::format("is of version {} where this program knows up to {}; read it "
                                    "with the newer salus that wrote it",
                                    header.version, kFormatVersion));
  }
  return header;
}

}  // namespace

Segment::Segment(const std::string& path, const Manifest& manifest, const SegmentEntry& entry)
    : file_(std::make_shared<const io::MappedFile>(path)),
      header_(header_of<SegmentHeader>(*file_, kSegmentMagic)),
      metric_(manifest.metric),
      dtype_(manifest.dtype),
      prepared_(header_.prepared_by == preparation(manifest)) {
  check_header(manifest, entry);
  check_extents(manifest);
}

void Segment::check_header(const Manifest& manifest, const SegmentEntry& entry) const {
  if (header_checksum(header_) != header_.checksum) refuse(file_->path(), kDamaged);
  if (header_.file_bytes != file_->bytes().size()) {
    refuse(file_->path(), fmt::format("has {} bytes where its header says {}; it is truncated or "
                                      "damaged: copy the index again",
                                      file_->bytes().size(), header_.file_bytes));
  }
  const SegmentHeader expected = header_for(manifest, static_cast<std::uint64_t>(entry.rows));
  if (header_.rows != expected.rows || header_.dim != expected.dim ||
      header_.dtype != expected.dtype || header_.metric != expected.metric ||
      header_.id_kind != expected.id_kind || header_.attributes != expected.attributes ||
      header_.unfindable > header_.rows) {
    refuse(file_->path(),
           fmt::format("does not belong to the {} beside it; copy the index again", kManifestFile));
  }
}

void Segment::check_extents(const Manifest& manifest) const {
  const std::uint64_t size = header_.file_bytes;
  const auto inside = [&](const Extent& extent) {
    return extent.offset % kSectionAlignment == 0 && extent.offset >= sizeof(SegmentHeader) &&
           extent.offset <= size && extent.bytes <= size - extent.offset;
  };
  bool good = true;
  for (std::size_t name = 0; name < kFirstAttribute + 2 * header_.attributes; ++name) {
    const Extent& extent = header_.sections[name];
    const auto expected = section_bytes(manifest, header_.rows, name);
    good = good && inside(extent) && (!expected || extent.bytes == *expected);
  }
  const Extent& checksums = header_.sections[kChecksums];
  good = good && checksums.bytes == checksum_bytes(checksums.offset) &&
         checksums.offset + checksums.bytes == size &&
         header_.sections[kRows].offset == sizeof(SegmentHeader);
  if (!good) fail_damaged();
}

void Segment::fail_damaged() const { refuse(file_->path(), kDamaged); }

template <typename T>
std::span<const T> Segment::section(std::size_t name) const {
  const Extent& extent = header_.sections[name];
  const auto bytes = file_->bytes().subspan(extent.offset, extent.bytes);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

at::Tensor Segment::tensor(std::size_t name, at::ScalarType type, std::int64_t begin,
                           std::int64_t end, std::int64_t width) const {
  const auto bytes = section<std::byte>(name);
  if (bytes.empty()) return {};
  const auto item = static_cast<std::int64_t>(c10::elementSize(type));
  // The operator reads only; the mapping is read-only, so a write would not go unnoticed.
  auto* data = const_cast<std::byte*>(bytes.data()) + begin * width * item;
  std::vector<std::int64_t> shape = {end - begin};
  if (width > 1 || name == kRows || name == kOriginals) shape.push_back(width);
  return at::from_blob(data, shape, [file = file_](void*) {}, at::TensorOptions(type));
}

kernels::SimilarityIndex Segment::similarity(std::int64_t begin, std::int64_t end) const {
  TORCH_CHECK(begin >= 0 && begin % kBoundsBlock == 0 && begin < end && end <= rows(),
              "similar: rows ", begin, " to ", end, " of ", rows(), " were asked for.");
  const auto dim = static_cast<std::int64_t>(header_.dim);
  kernels::SimilarityIndex index;
  index.metric = metric_;
  index.rows = tensor(kRows, dtype_, begin, end, dim);
  index.scales = tensor(kScales, at::kFloat, begin, end, 1);
  index.exact_rows = tensor(kOriginals, at::kFloat, begin, end, dim);
  if (!prepared_) {
    return kernels::similarity_prepare(index.rows, metric_, index.scales, index.exact_rows);
  }
  index.norms = tensor(kNorms, at::kFloat, begin, end, 1);
  index.multipliers = tensor(kMultipliers, at::kFloat, begin, end, 1);
  index.offsets = tensor(kOffsets, at::kFloat, begin, end, 1);
  index.bounds =
      tensor(kBounds, at::kFloat, begin / kBoundsBlock, (end + kBoundsBlock - 1) / kBoundsBlock, 4);
  return index;
}

std::string_view Segment::text_id(std::uint64_t row) const {
  const auto begins = section<std::uint64_t>(kIds);
  const auto text = section<char>(kIdText);
  const std::uint64_t begin = begins[row];
  const std::uint64_t end = begins[row + 1];
  if (begin > end || end > text.size()) fail_damaged();
  return {text.data() + begin, end - begin};
}

std::string Segment::id(std::int64_t row) const {
  TORCH_CHECK(row >= 0 && row < rows(), "similar: there is no row ", row, ".");
  const auto place = static_cast<std::uint64_t>(row);
  if (header_.id_kind == 0) return std::to_string(section<std::int64_t>(kIds)[place]);
  return std::string(text_id(place));
}

std::uint64_t Segment::ordered_row(std::uint64_t place) const {
  const std::uint64_t row = section<std::uint64_t>(kIdOrder)[place];
  if (row >= header_.rows) fail_damaged();
  return row;
}

std::int64_t Segment::find(const std::string& id) const {
  const bool integers = header_.id_kind == 0;
  const auto number = integers ? integer_id(id) : std::nullopt;
  if (integers && !number) return -1;
  // The first place whose id is not below the one sought.
  std::uint64_t begin = 0;
  std::uint64_t end = header_.rows;
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    const std::uint64_t row = ordered_row(middle);
    const bool below =
        integers ? section<std::int64_t>(kIds)[row] < *number : text_id(row) < std::string_view(id);
    below ? begin = middle + 1 : end = middle;
  }
  if (begin == header_.rows) return -1;
  const std::uint64_t row = ordered_row(begin);
  const bool same = integers ? section<std::int64_t>(kIds)[row] == *number : text_id(row) == id;
  return same ? static_cast<std::int64_t>(row) : -1;
}

std::span<const double> Segment::numbers(std::size_t attribute) const {
  return section<double>(kFirstAttribute + 2 * attribute);
}

TextColumn Segment::text(std::size_t attribute) const {
  TextColumn column{section<std::uint32_t>(kFirstAttribute + 2 * attribute), {}};
  const auto bytes = section<std::byte>(kFirstAttribute + 2 * attribute + 1);
  std::uint64_t count = 0;
  if (bytes.size() < 2 * sizeof count) fail_damaged();
  std::memcpy(&count, bytes.data(), sizeof count);
  if (count > bytes.size() / sizeof count - 2) fail_damaged();
  const auto* begins = reinterpret_cast<const std::uint64_t*>(bytes.data()) + 1;
  const auto text = bytes.subspan((count + 2) * sizeof count);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (begins[i] > begins[i + 1] || begins[i + 1] > text.size()) fail_damaged();
    column.dictionary.emplace_back(reinterpret_cast<const char*>(text.data()) + begins[i],
                                   begins[i + 1] - begins[i]);
  }
  for (const std::uint32_t code : column.codes) {
    if (code != kNoText && code >= count) fail_damaged();
  }
  return column;
}

void Segment::verify(std::int64_t begin, std::int64_t end) const {
  const auto bytes = file_->bytes();
  const auto checksums = section<std::uint32_t>(kChecksums);
  if (io::crc32c(std::as_bytes(checksums)) != header_.checksums_checksum) fail_damaged();
  std::vector<char> wanted(checksums.size(), 1);
  // Blocks that hold nothing but rows, scales and originals of others are left out.
  for (const auto& [first, last] : foreign_bytes(header_, begin, end)) {
    const std::uint64_t from =
        (first - sizeof(SegmentHeader) + kChecksumBlock - 1) / kChecksumBlock;
    const std::uint64_t to = (last - sizeof(SegmentHeader)) / kChecksumBlock;
    for (std::uint64_t block = from; block < to; ++block) wanted[block] = 0;
  }
  const std::uint64_t stop = header_.sections[kChecksums].offset;
  std::atomic<bool> damaged = false;
  at::parallel_for(0, static_cast<std::int64_t>(wanted.size()), 4,
                   [&](std::int64_t from, std::int64_t to) {
                     for (auto block = static_cast<std::uint64_t>(from);
                          block < static_cast<std::uint64_t>(to); ++block) {
                       if (wanted[block] == 0) continue;
                       const auto at = sizeof(SegmentHeader) + block * kChecksumBlock;
                       const auto span = bytes.subspan(at, std::min(kChecksumBlock, stop - at));
                       if (io::crc32c(span) != checksums[block]) damaged = true;
                     }
                   });
  if (damaged) fail_damaged();
}

AliveBits::AliveBits(const std::string& path, const SegmentEntry& entry)
    : file_(std::make_shared<const io::MappedFile>(path)) {
  const auto header = header_of<AliveHeader>(*file_, kAliveMagic);
  const auto bytes = file_->bytes().subspan(sizeof header);
  const auto rows = static_cast<std::uint64_t>(entry.rows);
  if (bytes.size() != (rows + 63) / 64 * 8) {
    refuse(path, "is truncated or does not belong to its index; copy the index again");
  }
  if (alive_checksum(header, bytes) != header.checksum) refuse(path, kDamaged);
  if (header.rows != rows || header.alive != rows - static_cast<std::uint64_t>(entry.deleted)) {
    refuse(path,
           fmt::format("does not belong to the {} beside it; copy the index again", kManifestFile));
  }
  words_ = {reinterpret_cast<const std::uint64_t*>(bytes.data()), bytes.size() / 8};
}

std::vector<std::byte> alive_file(std::span<const std::uint64_t> words, std::int64_t rows) {
  AliveHeader header;
  header.rows = static_cast<std::uint64_t>(rows);
  for (const std::uint64_t word : words) {
    header.alive += static_cast<std::uint64_t>(std::popcount(word));
  }
  header.checksum = alive_checksum(header, std::as_bytes(words));
  std::vector<std::byte> bytes(sizeof header + words.size_bytes());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, words.data(), words.size_bytes());
  return bytes;
}

}  // namespace salus::similar
