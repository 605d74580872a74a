#include "engine/io/dicom_parser.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/io/dicom.h"
#include "engine/io/dicom_elements.h"
#include "engine/io/error.h"
#include "engine/io/text_encoding.h"

namespace salus::io {
namespace dicom {
namespace {

constexpr std::uint64_t kPreamble = 132;
/// What a deflated data set may hold besides its pixels.
constexpr std::int64_t kDeflatedHeader = std::int64_t{64} << 20;

bool has_preamble(ByteSource& source) {
  return source.size() >= kPreamble && std::memcmp(source.view(128, 4), "DICM", 4) == 0;
}

/// How the element at `bytes` is written, judged by itself.
Encoding guess_encoding(const std::byte* bytes) {
  const std::uint64_t little = load_uint(bytes, 2, false), big = load_uint(bytes, 2, true);
  Encoding encoding;
  encoding.big_endian = little != 0 && (little & 0xFF) == 0 && big < 0x100;
  encoding.explicit_vr = is_known_vr(static_cast<Vr>(load_uint(bytes + 4, 2, true)));
  return encoding;
}

/// Inflates raw deflate data (or, as some writers make it, a zlib stream). Bytes after the stream
/// are ignored. \throws salus::Error if damaged, truncated or larger than the limit.
std::vector<std::byte> inflate_data_set(ByteSource& source, std::uint64_t begin, int window_bits,
                                        std::int64_t max_bytes, bool& damaged) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) source.fail("zlib could not be started.");
  std::vector<std::byte> out, chunk(1 << 16);
  int status = Z_OK;
  for (std::uint64_t at = begin; at < source.size() && status == Z_OK;) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), source.size() - at));
    const std::byte* in = source.view(at, count);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in));
    stream.avail_in = static_cast<uInt>(count);
    at += count;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
      stream.avail_out = static_cast<uInt>(chunk.size());
      status = inflate(&stream, Z_NO_FLUSH);
      out.insert(out.end(), chunk.begin(), chunk.end() - stream.avail_out);
    } while (status == Z_OK && stream.avail_out == 0 &&
             out.size() <= static_cast<std::uint64_t>(max_bytes));
    if (out.size() > static_cast<std::uint64_t>(max_bytes)) break;
  }
  inflateEnd(&stream);
  if (out.size() > static_cast<std::uint64_t>(max_bytes)) {
    source.fail(
        fmt::format("its deflated data set is larger than the limit of {} bytes.", max_bytes));
  }
  damaged = status != Z_STREAM_END;
  return out;
}

std::unique_ptr<ByteSource> inflate_source(ByteSource& source, std::uint64_t begin,
                                           const ReadLimits& limits) {
  const std::int64_t max_bytes = limits.max_pixel_bytes + kDeflatedHeader;
  bool damaged = false;
  for (const int window_bits : {-MAX_WBITS, MAX_WBITS}) {
    std::vector<std::byte> bytes = inflate_data_set(source, begin, window_bits, max_bytes, damaged);
    if (!damaged) return std::make_unique<ByteSource>(std::move(bytes), source.name());
  }
  source.fail("its deflated data set is damaged or ends too early.");
}

/// The syntax that the meta header names; without one, what the data set looks like.
TransferSyntax declared_syntax(ParsedFile& file) {
  if (file.transfer_syntax_uid.empty()) {
    file.warnings.emplace_back(
        "The file names no transfer syntax (0002,0010); it was read as its bytes look.");
    TransferSyntax syntax{"", "unnamed", Codec::kSniff};
    return syntax;
  }
  const TransferSyntax* known = find_transfer_syntax(file.transfer_syntax_uid);
  if (!known) {
    file.source->fail(
        fmt::format("its transfer syntax {} is not known to Salus.", file.transfer_syntax_uid));
  }
  if (known->codec == Codec::kUnsupported) {
    file.source->fail(fmt::format(
        "its transfer syntax {} ({}) is not a still-image syntax that Salus reads. Convert it, for "
        "example to Explicit VR Little Endian.",
        known->name, known->uid));
  }
  return *known;
}

/// Corrects the declared encoding where the first element contradicts it.
void match_encoding(ParsedFile& file, std::uint64_t begin) {
  const std::uint64_t end = file.source->size();
  if (end - begin < 8) return;
  const bool illegal_vr =
      file.syntax.explicit_vr && has_illegal_vr(*file.source, begin, end, file.syntax.big_endian);
  const std::byte* bytes = file.source->view(begin, 8);
  Encoding found = guess_encoding(bytes);
  TransferSyntax& syntax = file.syntax;
  // Two letters that no standard knows are still a value representation where one should be.
  const auto letter = [](std::byte b) { return b >= std::byte{'A'} && b <= std::byte{'Z'}; };
  if (illegal_vr || (syntax.explicit_vr && letter(bytes[4]) && letter(bytes[5]))) {
    found.explicit_vr = true;
  }
  if (found.explicit_vr == syntax.explicit_vr && found.big_endian == syntax.big_endian) return;
  syntax.explicit_vr = found.explicit_vr;
  syntax.big_endian = found.big_endian;
  if (file.transfer_syntax_uid.empty()) return;
  file.warnings.push_back(fmt::format(
      "The data set is {} VR {} endian although its transfer syntax is {}; it was read as it is.",
      found.explicit_vr ? "explicit" : "implicit", found.big_endian ? "big" : "little",
      syntax.name));
}

std::string character_set(ParsedFile& file) {
  const std::vector<std::string> sets = texts(*file.source, file.data, kCharacterSet);
  return sets.empty() ? "" : sets[0];
}

}  // namespace

std::string utf8_text(ParsedFile& file, const DataSet& data, Tag tag) {
  return decode_text(text(*file.source, data, tag), character_set(file));
}

std::vector<std::string> utf8_texts(ParsedFile& file, const DataSet& data, Tag tag) {
  const std::string charset = character_set(file);
  std::vector<std::string> values = texts(*file.source, data, tag);
  for (std::string& value : values) value = decode_text(value, charset);
  return values;
}

bool plausible_start(std::span<const std::byte> head) {
  if (head.size() < 8) return false;
  const Encoding encoding = guess_encoding(head.data());
  const std::uint64_t group = load_uint(head.data(), 2, encoding.big_endian);
  const std::uint64_t number = load_uint(head.data() + 2, 2, encoding.big_endian);
  if ((group != 2 && group != 8) || number > 0x70) return false;
  if (encoding.explicit_vr) return true;
  const std::uint64_t length = load_uint(head.data() + 4, 4, encoding.big_endian);
  if (length > 256) return false;
  if (head.size() < length + 12) return true;
  // The next element has to be of the same or a near group, and later.
  const std::byte* next = head.data() + 8 + length;
  const std::uint64_t next_group = load_uint(next, 2, encoding.big_endian);
  const std::uint64_t next_number = load_uint(next + 2, 2, encoding.big_endian);
  return next_group == group ? next_number > number : next_group > group && next_group <= 0x28;
}

ParsedFile parse_file(const std::string& path, const ReadLimits& limits) {
  ParsedFile file;
  file.source = std::make_unique<ByteSource>(path, limits.max_file_bytes);
  ElementWalker meta_walker(*file.source, file.warnings);
  std::uint64_t begin = 0;
  if (has_preamble(*file.source)) {
    begin = kPreamble;
  } else {
    const auto head = static_cast<std::size_t>(std::min<std::uint64_t>(file.source->size(), 512));
    if (!plausible_start({file.source->view(0, head), head})) {
      throw Error(fmt::format(
          "'{}' is not a DICOM file: it has no preamble and does not begin with an element.",
          path));
    }
    file.warnings.emplace_back("The file has no DICOM preamble.");
  }
  begin = meta_walker.walk_meta(begin, file.meta);
  file.transfer_syntax_uid = text(*file.source, file.meta, kTransferSyntaxUid);
  file.syntax = declared_syntax(file);
  if (file.syntax.deflated) {
    // What the meta header says is read before its source goes.
    std::unique_ptr<ByteSource> inflated = inflate_source(*file.source, begin, limits);
    file.meta = DataSet();
    file.source = std::move(inflated);
    begin = 0;
  }
  match_encoding(file, begin);
  ElementWalker walker(*file.source, file.warnings);
  walker.walk_data(begin, {file.syntax.explicit_vr, file.syntax.big_endian}, file.data);
  return file;
}

}  // namespace dicom

bool looks_like_dicom(std::span<const std::byte> head) {
  if (head.size() >= 132 && std::memcmp(head.data() + 128, "DICM", 4) == 0) return true;
  return dicom::plausible_start(head);
}

}  // namespace salus::io
