#include "engine/io/zip.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/io/error.h"
#include "engine/io/inflate.h"
#include "engine/io/numbers.h"

namespace salus::io {
namespace {

constexpr std::int64_t kEndSize = 22, kLocator64Size = 20, kEnd64Size = 56;
constexpr std::int64_t kCentralSize = 46, kLocalSize = 30;
constexpr std::int64_t kMaxComment = 65535;
constexpr std::uint32_t kEnd = 0x06054b50, kLocator64 = 0x07064b50, kEnd64 = 0x06064b50;
constexpr std::uint32_t kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr std::int64_t kIn64 = 0xffffffff;  // the real value stands in the zip64 record

// The zip64 extra field (id 1) holds, in this order, only those values that are kIn64 in the entry.
void apply_extra64(std::span<const std::byte> extra, ZipEntry& entry) {
  while (extra.size() >= 4) {
    const auto id = load_le<std::uint16_t>(extra, 0);
    const std::size_t length = load_le<std::uint16_t>(extra, 2);
    if (extra.size() - 4 < length) return;
    auto body = extra.subspan(4, length);
    extra = extra.subspan(4 + length);
    if (id != 1) continue;
    for (std::int64_t* value : {&entry.size, &entry.packed_size, &entry.header_offset}) {
      if (*value != kIn64 || body.size() < 8) continue;
      *value = static_cast<std::int64_t>(load_le<std::uint64_t>(body, 0));
      body = body.subspan(8);
    }
    return;
  }
}

}  // namespace

ZipReader::ZipReader(const std::string& path) : file_(path) { parse(locate()); }

void ZipReader::fail(const std::string& reason) const {
  throw Error(fmt::format("{} {}; the archive is truncated or damaged, fetch or save it again.",
                          file_.path(), reason));
}

const ZipEntry* ZipReader::find(const std::string& name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const ZipEntry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

ZipReader::Directory ZipReader::locate() const {
  const std::int64_t tail_size = std::min(file_.size(), kEndSize + kMaxComment);
  const std::int64_t tail_offset = file_.size() - tail_size;
  const auto tail = file_.read_up_to(tail_offset, tail_size);
  for (std::int64_t at = tail_size - kEndSize; at >= 0; --at) {
    if (load_le<std::uint32_t>(tail, at) != kEnd) continue;
    // The comment ends the file: this tells the record from its signature inside a comment.
    if (at + kEndSize + load_le<std::uint16_t>(tail, at + 20) != tail_size) continue;
    if (load_le<std::uint16_t>(tail, at + 4) != load_le<std::uint16_t>(tail, at + 6)) {
      fail("is one part of a split archive");
    }
    Directory directory;
    directory.count = load_le<std::uint16_t>(tail, at + 10);
    directory.size = load_le<std::uint32_t>(tail, at + 12);
    directory.offset = load_le<std::uint32_t>(tail, at + 16);
    const bool is64 =
        directory.count == 0xffff || directory.size == kIn64 || directory.offset == kIn64;
    return is64 ? locate64(tail_offset + at) : directory;
  }
  fail("has no zip directory at its end");
}

ZipReader::Directory ZipReader::locate64(std::int64_t end_record) const {
  if (end_record < kLocator64Size) fail("has no zip64 directory");
  const auto locator = file_.read_up_to(end_record - kLocator64Size, kLocator64Size);
  if (load_le<std::uint32_t>(locator, 0) != kLocator64) fail("has no zip64 directory");
  const auto at = static_cast<std::int64_t>(load_le<std::uint64_t>(locator, 8));
  if (at < 0 || at > file_.size() - kEnd64Size) fail("has its zip64 directory outside the file");
  const auto record = file_.read_up_to(at, kEnd64Size);
  if (load_le<std::uint32_t>(record, 0) != kEnd64) fail("has no zip64 directory");
  return {static_cast<std::int64_t>(load_le<std::uint64_t>(record, 48)),
          static_cast<std::int64_t>(load_le<std::uint64_t>(record, 40)),
          static_cast<std::int64_t>(load_le<std::uint64_t>(record, 32))};
}

void ZipReader::parse(const Directory& directory) {
  if (directory.offset < 0 || directory.size < 0 || directory.offset > file_.size() ||
      directory.size > file_.size() - directory.offset) {
    fail("has its directory outside the file");
  }
  const auto bytes = file_.read_up_to(directory.offset, directory.size);
  std::span<const std::byte> rest(bytes);
  std::set<std::string> names;
  for (std::int64_t i = 0; i < directory.count; ++i) {
    if (rest.size() < kCentralSize || load_le<std::uint32_t>(rest, 0) != kCentral) {
      fail(fmt::format("has a directory that ends before entry {} of {}", i + 1, directory.count));
    }
    const std::size_t name = load_le<std::uint16_t>(rest, 28);
    const std::size_t extra = load_le<std::uint16_t>(rest, 30);
    const std::size_t comment = load_le<std::uint16_t>(rest, 32);
    if (rest.size() - kCentralSize < name + extra + comment) fail("has a damaged directory");
    ZipEntry entry;
    entry.name.assign(reinterpret_cast<const char*>(rest.data()) + kCentralSize, name);
    entry.method = load_le<std::uint16_t>(rest, 8) & 1 ? -1 : load_le<std::uint16_t>(rest, 10);
    entry.crc = load_le<std::uint32_t>(rest, 16);
    entry.packed_size = load_le<std::uint32_t>(rest, 20);
    entry.size = load_le<std::uint32_t>(rest, 24);
    entry.header_offset = load_le<std::uint32_t>(rest, 42);
    apply_extra64(rest.subspan(kCentralSize + name, extra), entry);
    if (!names.insert(entry.name).second) fail("holds two entries named " + entry.name);
    rest = rest.subspan(kCentralSize + name + extra + comment);
    if (!entry.name.ends_with('/')) entries_.push_back(std::move(entry));
  }
}

std::int64_t ZipReader::data_offset(const ZipEntry& entry) const {
  const std::int64_t at = entry.header_offset;
  if (at < 0 || at > file_.size() - kLocalSize) fail("has " + entry.name + " outside the file");
  const auto local = file_.read_up_to(at, kLocalSize);
  if (load_le<std::uint32_t>(local, 0) != kLocal) fail("has no header before " + entry.name);
  const std::int64_t data =
      at + kLocalSize + load_le<std::uint16_t>(local, 26) + load_le<std::uint16_t>(local, 28);
  if (entry.packed_size < 0 || data > file_.size() || entry.packed_size > file_.size() - data) {
    fail("ends inside " + entry.name);
  }
  return data;
}

std::vector<std::byte> ZipReader::read(const ZipEntry& entry) const {
  if (entry.method != 0 && entry.method != 8) {
    throw Error(fmt::format(
        "{} holds {} {}; save it stored or deflated.", file_.path(), entry.name,
        entry.method < 0 ? "encrypted" : fmt::format("in compression method {}", entry.method)));
  }
  const std::int64_t offset = data_offset(entry);
  if (entry.method == 0 && entry.size != entry.packed_size) {
    fail("has two sizes for " + entry.name);
  }
  auto bytes = file_.read_up_to(offset, entry.packed_size);
  if (entry.method == 8) {
    bytes =
        inflate_exactly(bytes, entry.size, DeflateFormat::kRaw, file_.path() + ":" + entry.name);
  }
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (crc != entry.crc) fail("has a wrong checksum for " + entry.name);
  return bytes;
}

}  // namespace salus::io
