#include "engine/io/tiff_stream.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace salus::io {
namespace {

tmsize_t read_stream(thandle_t handle, void* out, tmsize_t count) {
  auto* stream = static_cast<TiffStream*>(handle);
  if (stream->at >= stream->bytes.size() || count <= 0) return 0;
  const auto n =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(count), stream->bytes.size() - stream->at);
  std::memcpy(out, stream->bytes.data() + stream->at, n);
  stream->at += n;
  return static_cast<tmsize_t>(n);
}
tmsize_t write_stream(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_stream(thandle_t handle, toff_t offset, int whence) {
  auto* stream = static_cast<TiffStream*>(handle);
  if (whence == SEEK_CUR) offset += stream->at;
  if (whence == SEEK_END) offset += stream->bytes.size();
  return stream->at = offset;
}
int close_stream(thandle_t) { return 0; }
toff_t stream_size(thandle_t handle) { return static_cast<TiffStream*>(handle)->bytes.size(); }
int silent(TIFF*, void*, const char*, const char*, va_list) { return 1; }

}  // namespace

Tiff open_tiff(TiffStream& stream, std::int64_t max_allocation) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, static_cast<tmsize_t>(max_allocation));
  TIFFOpenOptionsSetErrorHandlerExtR(options, silent, nullptr);
  TIFFOpenOptionsSetWarningHandlerExtR(options, silent, nullptr);
  // m: no memory map, so that every read passes the bounds check above.
  Tiff tiff(TIFFClientOpenExt("", "rm", &stream, read_stream, write_stream, seek_stream,
                              close_stream, stream_size, nullptr, nullptr, options));
  TIFFOpenOptionsFree(options);
  return tiff;
}

}  // namespace salus::io
