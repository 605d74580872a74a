#include "engine/io/tar.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/io/error.h"
#include "engine/io/posix.h"

namespace salus::io {
namespace {

constexpr std::int64_t kBlock = 512;
constexpr std::int64_t kMostExpansion = 200;
constexpr std::int64_t kFreeBytes = std::int64_t{64} << 20;
constexpr std::int64_t kMostNameBytes = 1 << 16;  // of a long name or pax header

/// Bytes of a file, inflated if it is gzip. A gzip file may have several members.
class ByteStream {
 public:
  explicit ByteStream(const std::string& path) : file_(path), in_(1 << 18) {
    const auto magic = file_.read_up_to(0, 2);
    gzip_ = magic.size() == 2 && magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b};
    if (gzip_ && inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) fail("cannot be unpacked");
  }
  ~ByteStream() {
    if (gzip_) inflateEnd(&stream_);
  }
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("{} {}; fetch or save it again.", file_.path(), reason));
  }

  const std::string& path() const { return file_.path(); }

  /// Fills `out`; false if the stream has ended before its first byte.
  bool read(char* out, std::int64_t size) {
    std::int64_t done = 0;
    while (done < size) {
      const std::int64_t got = read_some(out + done, size - done);
      if (got == 0) break;
      done += got;
    }
    if (done < size && done > 0) fail("is truncated");
    count(done);
    return done == size && size > 0;
  }

  /// To the very end, where gzip's checksum is.
  void drain() {
    char scrap[4096];
    while (const std::int64_t got = read_some(scrap, sizeof scrap)) count(got);
  }

  void skip(std::int64_t size) {
    char scrap[4096];
    while (size > 0) {
      const std::int64_t part = std::min<std::int64_t>(size, sizeof scrap);
      if (!read(scrap, part)) fail("is truncated");
      size -= part;
    }
  }

 private:
  void count(std::int64_t bytes) {
    total_ += bytes;
    if (!gzip_ || total_ <= kFreeBytes || total_ <= kMostExpansion * file_.size()) return;
    throw Error(
        fmt::format("{} unpacks to more than {} times its {} bytes, which no archive of "
                    "measurements does; it is refused.",
                    file_.path(), kMostExpansion, file_.size()));
  }

  std::int64_t read_some(char* out, std::int64_t size) {
    return gzip_ ? inflate_some(out, size) : copy_some(out, size);
  }

  bool refill() {
    const auto part = file_.read_up_to(at_, static_cast<std::int64_t>(in_.size()));
    std::copy(part.begin(), part.end(), in_.begin());
    at_ += static_cast<std::int64_t>(part.size());
    stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
    stream_.avail_in = static_cast<uInt>(part.size());
    return !part.empty();
  }

  std::int64_t copy_some(char* out, std::int64_t size) {
    if (stream_.avail_in == 0 && !refill()) return 0;
    const auto part = std::min<std::int64_t>(size, stream_.avail_in);
    std::memcpy(out, stream_.next_in, static_cast<std::size_t>(part));
    stream_.next_in += part;
    stream_.avail_in -= static_cast<uInt>(part);
    return part;
  }

  std::int64_t inflate_some(char* out, std::int64_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min<std::int64_t>(size, 1 << 20));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !refill()) {
        if (!between_members_) fail("is truncated");
        return 0;
      }
      between_members_ = false;
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        between_members_ = true;
        if (inflateReset(&stream_) != Z_OK) fail("cannot be unpacked");
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail("has damaged compressed data");
      }
    }
    return room - stream_.avail_out;
  }

  InputFile file_;
  std::vector<std::byte> in_;
  z_stream stream_{};
  std::int64_t at_ = 0, total_ = 0;
  bool gzip_ = false;
  bool between_members_ = false;
};

/// A number of a header: octal digits, or base 256 where the first bit is set (GNU). -1 if neither.
std::int64_t header_number(const unsigned char* field, int size) {
  std::int64_t number = 0;
  if (field[0] & 0x80) {
    for (int i = 0; i < size; ++i) {
      const int byte = i == 0 ? field[0] & 0x7f : field[i];
      if (number >> 54 != 0) return -1;
      number = number << 8 | byte;
    }
    return number;
  }
  int i = 0;
  while (i < size && field[i] == ' ') ++i;
  for (; i < size && field[i] != ' ' && field[i] != 0; ++i) {
    if (field[i] < '0' || field[i] > '7' || number >> 59 != 0) return -1;
    number = number << 3 | (field[i] - '0');
  }
  return number;
}

std::string header_text(const char* field, std::size_t size) {
  return {field, strnlen(field, size)};
}

}  // namespace

class TarReader::Impl {
 public:
  Impl(const std::string& path, std::int64_t most) : stream_(path), most_(most) {}

  bool next(File& file, const std::string& suffix) {
    while (true) {
      char header[kBlock];
      if (!read_header(header)) return false;
      std::int64_t size = header_number(reinterpret_cast<unsigned char*>(header) + 124, 12);
      const char type = header[156];
      if (size < 0) stream_.fail("has a file of senseless size");
      if (type == 'L' || type == 'x') {
        read_extension(type, size);
        continue;
      }
      if (long_size_ >= 0) size = long_size_;
      std::string name = long_name_.empty() ? header_name(header) : long_name_;
      long_name_.clear();
      long_size_ = -1;
      const bool regular = type == '0' || type == '\0' || type == '7';
      // Folders, links and devices have no data, whatever their size says (POSIX pax).
      if (!regular && type >= '1' && type <= '6') size = 0;
      if (!regular || !name.ends_with(suffix)) {
        skip_data(size);
        continue;
      }
      read_data(size, name, file.bytes);
      file.name = std::move(name);
      return true;
    }
  }

 private:
  /// False at the end: two zero blocks, or the end of the file.
  bool read_header(char* header) {
    if (!stream_.read(header, kBlock)) {
      if (!any_) stream_.fail("is empty, not a tar archive");
      return false;
    }
    if (std::all_of(header, header + kBlock, [](char c) { return c == 0; })) {
      stream_.drain();
      return false;
    }
    std::int64_t sum = 0;
    for (int i = 0; i < kBlock; ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    }
    if (sum != header_number(reinterpret_cast<unsigned char*>(header) + 148, 8)) {
      stream_.fail(any_ ? "is damaged: a header's checksum is wrong" : "is no tar archive");
    }
    any_ = true;
    return true;
  }

  static std::string header_name(const char* header) {
    std::string name = header_text(header, 100);
    if (std::memcmp(header + 257, "ustar\0", 6) == 0 && header[345] != 0) {
      name = header_text(header + 345, 155) + "/" + name;
    }
    return name;
  }

  void skip_data(std::int64_t size) { stream_.skip((size + kBlock - 1) / kBlock * kBlock); }

  void read_data(std::int64_t size, const std::string& name, std::string& bytes) {
    if (size > most_) {
      throw Error(fmt::format("{} holds {} of {} bytes, more than the {} allowed here.",
                              stream_.path(), name, size, most_));
    }
    // Grows as data arrives: a size that lies costs no memory.
    bytes.clear();
    for (std::int64_t done = 0; done < size;) {
      const std::int64_t part = std::min<std::int64_t>(size - done, 1 << 20);
      bytes.resize(static_cast<std::size_t>(done + part));
      if (!stream_.read(bytes.data() + done, part)) stream_.fail("is truncated");
      done += part;
    }
    stream_.skip((kBlock - size % kBlock) % kBlock);
  }

  void read_extension(char type, std::int64_t size) {
    if (size > kMostNameBytes) stream_.fail("has a header of senseless size");
    std::string text;
    const std::int64_t most = std::exchange(most_, kMostNameBytes);
    read_data(size, "a header", text);
    most_ = most;
    if (type == 'L') {
      long_name_ = header_text(text.data(), text.size());
      return;
    }
    // Records of a pax header: "LENGTH KEY=VALUE\n".
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t space = text.find(' ', at);
      const std::size_t length = std::strtoull(text.c_str() + at, nullptr, 10);
      if (space == std::string::npos || length <= space - at + 1 || length > text.size() - at) {
        stream_.fail("has a damaged pax header");
      }
      const std::string record = text.substr(space + 1, at + length - space - 2);
      if (record.starts_with("path=")) long_name_ = record.substr(5);
      if (record.starts_with("size=")) {
        const unsigned long long stated = std::strtoull(record.c_str() + 5, nullptr, 10);
        if (stated > std::uint64_t{1} << 60) stream_.fail("has a file of senseless size");
        long_size_ = static_cast<std::int64_t>(stated);
      }
      at += length;
    }
  }

  ByteStream stream_;
  std::int64_t most_;
  std::string long_name_;
  std::int64_t long_size_ = -1;
  bool any_ = false;
};

TarReader::TarReader(const std::string& path, std::int64_t most_file_bytes)
    : impl_(std::make_unique<Impl>(path, most_file_bytes)) {}
TarReader::~TarReader() = default;
bool TarReader::next(File& file, const std::string& suffix) { return impl_->next(file, suffix); }

}  // namespace salus::io
