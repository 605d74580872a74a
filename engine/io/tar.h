#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace salus::io {

/// The regular files of a tar archive (ustar, GNU and pax names and sizes), plain or gzipped, one
/// after the other in constant memory.
///
/// Guarded against archives that are made to hurt: a file is refused before it is read if its size
/// passes `most_file_bytes`, and an archive as soon as it unpacks to more than 200 times its own
/// size (and 64 MiB). Headers are held to their checksum.
class TarReader {
 public:
  struct File {
    std::string name;  ///< path inside the archive
    std::string bytes;
  };

  /// \throws salus::Error if the file cannot be opened.
  explicit TarReader(const std::string& path,
                     std::int64_t most_file_bytes = std::int64_t{64} << 20);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  /// The next file whose name ends in `suffix`; false at the end of the archive. Others are passed
  /// over, as are folders, links and devices.
  /// \throws salus::Error naming the archive: damaged, truncated, or past a limit.
  bool next(File& file, const std::string& suffix = "");

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::io
