#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/posix.h"

namespace salus::io {

/// One file inside a zip archive, as its central directory says.
struct ZipEntry {
  std::string name;
  std::int64_t header_offset = 0;
  std::int64_t packed_size = 0;
  std::int64_t size = 0;
  std::uint32_t crc = 0;
  int method = 0;  ///< 0 stored, 8 deflated
};

/// Reads zip archives (APPNOTE.TXT 6.3), zip64 included, as .npz and PyTorch files need them.
/// All that the archive claims is held against the file before anything is allocated: a deflated
/// entry may claim no more than deflate can expand to, 1032 times its packed size.
class ZipReader {
 public:
  /// \throws salus::Error naming the file: not a zip archive, truncated, split, duplicate names.
  explicit ZipReader(const std::string& path);
  const std::vector<ZipEntry>& entries() const { return entries_; }
  std::int64_t file_size() const { return file_.size(); }
  /// The entry of that name, or nullptr.
  const ZipEntry* find(const std::string& name) const;
  /// The unpacked bytes; size and CRC-32 are verified.
  /// \throws salus::Error naming file and entry: encrypted, another method, damaged.
  std::vector<std::byte> read(const ZipEntry& entry) const;

 private:
  struct Directory {
    std::int64_t offset = 0, size = 0, count = 0;
  };
  Directory locate() const;
  Directory locate64(std::int64_t end_record) const;
  void parse(const Directory& directory);
  std::int64_t data_offset(const ZipEntry& entry) const;
  [[noreturn]] void fail(const std::string& reason) const;

  InputFile file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace salus::io
