#include "engine/similar/segment_writer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

#include "engine/io/crc32c.h"
#include "engine/io/files.h"
#include "engine/io/mapped_file.h"
#include "engine/similar/ids.h"
#include "engine/similar/segment_layout.h"
#include "kernels/similarity.h"
#include "kernels/similarity_math.h"

namespace salus::similar {
namespace {

constexpr std::int64_t kBytesAtOnce = 8 << 20;  // of float32 rows in memory

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

class SegmentFile {
 public:
  SegmentFile(const std::string& path, const Manifest& manifest, const SegmentContent& content)
      : manifest_(manifest),
        content_(content),
        file_(path),
        header_(header_for(manifest, static_cast<std::uint64_t>(content.rows))) {}

  void write() {
    for (std::size_t name = kRows; name <= kBounds; ++name) {
      place(name, section_bytes(manifest_, header_.rows, name).value());
    }
    write_rows();
    write_prepared();
    write_ids();
    for (std::size_t i = 0; i < content_.attributes.size(); ++i) write_attribute(i);
    write_checksums();
    write_header();
    file_.commit();
  }

 private:
  void place(std::size_t name, std::uint64_t bytes) {
    header_.sections[name] = {end_, bytes};
    end_ = aligned(end_ + bytes);
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    file_.write_at(static_cast<std::int64_t>(offset), bytes);
  }

  /// Places a section after the last one and writes it.
  void append(std::size_t name, std::span<const std::byte> bytes) {
    place(name, bytes.size());
    write_at(header_.sections[name].offset, bytes);
  }

  void write_rows() {
    const std::int64_t step = std::max<std::int64_t>(1, kBytesAtOnce / (4 * manifest_.dim));
    for (std::int64_t first = 0; first < content_.rows; first += step) {
      const StoredRows piece = content_.read(first, std::min(step, content_.rows - first));
      write_piece(kRows, first, piece.rows);
      if (piece.scales.defined()) write_piece(kScales, first, piece.scales);
      if (piece.originals.defined()) write_piece(kOriginals, first, piece.originals);
    }
  }

  void write_piece(std::size_t name, std::int64_t first, const at::Tensor& piece) {
    const Extent& extent = header_.sections[name];
    const std::uint64_t width = extent.bytes / header_.rows;
    write_at(extent.offset + static_cast<std::uint64_t>(first) * width, bytes_of(piece));
  }

  /// Norms and error bounds, from the rows as they now stand in the file.
  void write_prepared() {
    fill_to(header_.sections[kBounds].offset + header_.sections[kBounds].bytes);
    const io::MappedFile written(file_.temporary_path());
    const auto mapped = [&](std::size_t name, at::ScalarType type, at::IntArrayRef shape) {
      const Extent& extent = header_.sections[name];
      if (extent.bytes == 0) return at::Tensor();
      auto* data = const_cast<std::byte*>(written.bytes().data()) + extent.offset;
      return at::from_blob(data, shape, at::TensorOptions(type));
    };
    const std::int64_t n = content_.rows;
    const auto prepared = kernels::similarity_prepare(
        mapped(kRows, manifest_.dtype, {n, manifest_.dim}), manifest_.metric,
        mapped(kScales, at::kFloat, {n}), mapped(kOriginals, at::kFloat, {n, manifest_.dim}));
    write_piece(kNorms, 0, prepared.norms);
    write_piece(kMultipliers, 0, prepared.multipliers);
    if (prepared.offsets.defined()) write_piece(kOffsets, 0, prepared.offsets);
    write_at(header_.sections[kBounds].offset, bytes_of(prepared.bounds));
    header_.prepared_by = preparation(manifest_);
    const bool cosine = manifest_.metric == kernels::Metric::kCosine;
    const auto* norms = prepared.norms.const_data_ptr<float>();
    header_.unfindable =
        static_cast<std::uint64_t>(std::count_if(norms, norms + n, [&](float norm) {
          return !kernels::similarity_takes_part(norm, cosine);
        }));
  }

  /// Makes the file reach `end`, so that all of it can be mapped.
  void fill_to(std::uint64_t end) {
    const std::byte zero{0};
    write_at(end - 1, {&zero, 1});
  }

  void write_ids() {
    const auto order = id_order(content_.ids, manifest_.ids);
    if (manifest_.ids == IdKind::kInteger) {
      std::vector<std::int64_t> values(content_.ids.size());
      std::transform(content_.ids.begin(), content_.ids.end(), values.begin(),
                     [](const std::string& id) { return integer_id(id).value(); });
      append(kIds, std::as_bytes(std::span(values)));
      append(kIdText, {});
    } else {
      std::vector<std::uint64_t> begins = {0};
      std::string text;
      for (const std::string& id : content_.ids) {
        text += id;
        begins.push_back(text.size());
      }
      append(kIds, std::as_bytes(std::span(begins)));
      append(kIdText, std::as_bytes(std::span(text)));
    }
    append(kIdOrder, std::as_bytes(std::span(order)));
  }

  void write_attribute(std::size_t place_of) {
    const AttributeValues& values = content_.attributes[place_of];
    const std::size_t name = kFirstAttribute + 2 * place_of;
    if (manifest_.attributes[place_of].kind == AttributeKind::kNumber) {
      append(name, std::as_bytes(std::span(values.numbers)));
      append(name + 1, {});
      return;
    }
    append(name, std::as_bytes(std::span(values.codes)));
    std::vector<std::uint64_t> begins = {values.dictionary.size(), 0};
    std::string text;
    for (const std::string& entry : values.dictionary) {
      text += entry;
      begins.push_back(text.size());
    }
    std::string section(begins.size() * sizeof begins[0], '\0');
    std::memcpy(section.data(), begins.data(), section.size());
    section += text;
    append(name + 1, std::as_bytes(std::span(section)));
  }

  void write_checksums() {
    fill_to(end_);
    const io::MappedFile written(file_.temporary_path());
    std::vector<std::uint32_t> sums(checksum_bytes(end_) / 4);
    at::parallel_for(
        0, static_cast<std::int64_t>(sums.size()), 4, [&](std::int64_t from, std::int64_t to) {
          for (std::int64_t block = from; block < to; ++block) {
            const auto at =
                sizeof(SegmentHeader) + static_cast<std::uint64_t>(block) * kChecksumBlock;
            sums[static_cast<std::size_t>(block)] =
                io::crc32c(written.bytes().subspan(at, std::min(kChecksumBlock, end_ - at)));
          }
        });
    header_.checksums_checksum = io::crc32c(std::as_bytes(std::span(sums)));
    header_.sections[kChecksums] = {end_, sums.size() * sizeof sums[0]};
    write_at(end_, std::as_bytes(std::span(sums)));
    header_.file_bytes = end_ + sums.size() * sizeof sums[0];
  }

  void write_header() {
    header_.checksum = header_checksum(header_);
    write_at(0, std::as_bytes(std::span(&header_, 1)));
  }

  const Manifest& manifest_;
  const SegmentContent& content_;
  io::AtomicFile file_;
  SegmentHeader header_;
  std::uint64_t end_ = sizeof(SegmentHeader);
};

}  // namespace

StoredRows store_rows(const at::Tensor& values, const Manifest& manifest) {
  StoredRows stored;
  if (manifest.dtype == at::kChar) {
    auto quantized = kernels::similarity_quantize(values);
    stored.rows = std::move(quantized.rows);
    stored.scales = std::move(quantized.scales);
  } else {
    stored.rows = values.to(manifest.dtype);
  }
  if (manifest.originals) stored.originals = values;
  return stored;
}

void write_segment(const std::string& path, const Manifest& manifest,
                   const SegmentContent& content) {
  SegmentFile(path, manifest, content).write();
}

}  // namespace salus::similar
