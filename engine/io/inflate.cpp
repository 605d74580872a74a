#include "engine/io/inflate.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "engine/io/error.h"

namespace salus::io {
namespace {

constexpr std::int64_t kMaxExpansion = 1032;  // of deflate: 258 bytes by two bits
constexpr std::int64_t kSlack = 1 << 16;

int window_bits(DeflateFormat format) {
  switch (format) {
    case DeflateFormat::kRaw:
      return -MAX_WBITS;
    case DeflateFormat::kZlib:
      return MAX_WBITS;
    case DeflateFormat::kGzip:
      return MAX_WBITS + 16;
  }
  return MAX_WBITS;
}

class Inflater {
 public:
  Inflater(std::span<const std::byte> packed, DeflateFormat format, const std::string& origin)
      : packed_(packed), format_(format), origin_(origin) {
    if (inflateInit2(&stream_, window_bits(format)) != Z_OK) fail("cannot be unpacked");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Fills `out` as far as the stream goes and returns how far that is.
  std::size_t fill(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size() && !ended_) done += step(out.subspan(done));
    return done;
  }

  // After the last byte was taken: the trailer has been read, and nothing follows.
  bool at_end() {
    std::byte extra;
    return fill({&extra, 1}) == 0 && ended_ && used_ == packed_.size();
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("{} {}; the file is truncated or damaged, fetch or save it again.",
                            origin_, reason));
  }

  std::size_t step(std::span<std::byte> out) {
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max() / 2;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed_.data() + used_));
    stream_.avail_in = static_cast<uInt>(std::min(packed_.size() - used_, kMost));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min(out.size(), kMost));
    const uInt in = stream_.avail_in, room = stream_.avail_out;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    used_ += in - stream_.avail_in;
    const std::size_t made = room - stream_.avail_out;
    if (status == Z_STREAM_END) {
      next_member();
    } else if (status == Z_BUF_ERROR || (status == Z_OK && in == 0 && made == 0)) {
      fail("ends inside its compressed data");
    } else if (status != Z_OK) {
      fail("has damaged compressed data");
    }
    return made;
  }

  // A gzip file may be several members one after the other (RFC 1952 2.2). Zeros behind the last one
  // are what tapes and block devices pad with; gzip(1) takes no notice of them either.
  void next_member() {
    if (format_ == DeflateFormat::kGzip && only_zeros_left()) used_ = packed_.size();
    ended_ = format_ != DeflateFormat::kGzip || used_ == packed_.size();
    if (!ended_ && inflateReset(&stream_) != Z_OK) fail("cannot be unpacked");
  }

  bool only_zeros_left() const {
    const auto rest = packed_.subspan(used_);
    return std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  std::span<const std::byte> packed_;
  DeflateFormat format_;
  const std::string& origin_;
  z_stream stream_{};
  std::size_t used_ = 0;
  bool ended_ = false;
};

}  // namespace

std::vector<std::byte> inflate_exactly(std::span<const std::byte> packed, std::int64_t size,
                                       DeflateFormat format, const std::string& origin) {
  const auto most = static_cast<std::int64_t>(packed.size()) * kMaxExpansion + kSlack;
  if (size < 0 || size > most) {
    throw Error(
        fmt::format("{} claims {} bytes, more than its {} compressed bytes can hold; the file "
                    "is damaged, fetch or save it again.",
                    origin, size, packed.size()));
  }
  std::vector<std::byte> out(static_cast<std::size_t>(size));
  Inflater inflater(packed, format, origin);
  const std::size_t done = inflater.fill(out);
  if (done < out.size() || !inflater.at_end()) {
    throw Error(
        fmt::format("{} unpacks to {} bytes where {} are claimed; the file is truncated or "
                    "damaged, fetch or save it again.",
                    origin, done < out.size() ? std::to_string(done) : "more", size));
  }
  return out;
}

std::vector<std::byte> inflate_head(std::span<const std::byte> packed, std::int64_t size,
                                    DeflateFormat format, const std::string& origin) {
  const auto most = static_cast<std::int64_t>(packed.size()) * kMaxExpansion + kSlack;
  std::vector<std::byte> out(static_cast<std::size_t>(std::min(size, most)));
  Inflater inflater(packed, format, origin);
  out.resize(inflater.fill(out));
  return out;
}

}  // namespace salus::io
