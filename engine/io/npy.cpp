#include "engine/io/npy.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy_header.h"
#include "engine/io/numbers.h"
#include "engine/io/zip.h"

namespace salus::io {
namespace {

constexpr std::size_t kAlignment = 64;  // of the data, as NumPy writes it

double half_to_double(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  double magnitude = 0;
  if (exponent == 31) {
    magnitude = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(fraction + 1024, exponent - 25);
  }
  return bits >> 15 ? -magnitude : magnitude;
}

template <typename T>
double value_at(const NpyArray& array, std::int64_t i) {
  T value;
  std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

// Reversed axes: the first index runs fastest.
std::vector<std::byte> from_fortran(std::span<const std::byte> data, std::size_t item,
                                    std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides;
  std::int64_t stride = 1;
  for (const std::int64_t extent : shape) {
    strides.push_back(stride);
    stride *= extent;
  }
  return gather_strided(data, item, shape, strides);
}

// As Python writes a tuple: (), (2,), (2, 3).
std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

}  // namespace

std::int64_t NpyArray::count() const { return checked_bytes(shape, 1); }

double NpyArray::at(std::int64_t i) const {
  if (i < 0 || i >= count()) {
    throw Error(fmt::format("Value {} of an array of {} values was asked for.", i, count()));
  }
  const std::string_view kind = dtype;
  if (kind == "|u1" || kind == "|b1") return value_at<std::uint8_t>(*this, i);
  if (kind == "|i1") return value_at<std::int8_t>(*this, i);
  if (kind == "<u2") return value_at<std::uint16_t>(*this, i);
  if (kind == "<i2") return value_at<std::int16_t>(*this, i);
  if (kind == "<u4") return value_at<std::uint32_t>(*this, i);
  if (kind == "<i4") return value_at<std::int32_t>(*this, i);
  if (kind == "<u8") return value_at<std::uint64_t>(*this, i);
  if (kind == "<i8") return value_at<std::int64_t>(*this, i);
  if (kind == "<f2") return half_to_double(load_le<std::uint16_t>(bytes, 2 * i));
  if (kind == "<f4") return value_at<float>(*this, i);
  if (kind == "<f8") return value_at<double>(*this, i);
  throw Error(fmt::format(
      "An array of dtype {} has no real numbers; save it as integers or floats.", dtype));
}

NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& origin) {
  const NpyHeader header = parse_npy_header(bytes, origin);
  const std::int64_t expected = checked_bytes(header.shape, header.item_size);
  const std::int64_t found = static_cast<std::int64_t>(bytes.size() - header.data_offset);
  if (expected != found) {
    throw Error(
        fmt::format("{} holds {} bytes of data where dtype {} and shape {} need {}; the file "
                    "is truncated or damaged, save it again.",
                    origin, found, header.dtype, shape_text(header.shape),
                    expected < 0 ? "more than can exist" : std::to_string(expected)));
  }
  NpyArray array{header.dtype, header.shape, {}};
  const auto data = bytes.subspan(header.data_offset);
  const auto item = static_cast<std::size_t>(header.item_size);
  if (header.fortran_order && header.shape.size() > 1) {
    array.bytes = from_fortran(data, item, header.shape);
  } else {
    array.bytes.assign(data.begin(), data.end());
  }
  if (header.big_endian) swap_bytes(array.bytes, static_cast<std::size_t>(header.swap_size));
  return array;
}

NpyArray read_npy(const std::string& path) { return parse_npy(read_file(path), path); }

std::map<std::string, NpyArray> read_npz(const std::string& path) {
  const ZipReader zip(path);
  std::map<std::string, NpyArray> arrays;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(".npy")) {
      throw Error(
          fmt::format("{} holds {}, which is not an array; an .npz file has .npy entries only.",
                      path, entry.name));
    }
    const std::string name = entry.name.substr(0, entry.name.size() - 4);
    arrays.emplace(name, parse_npy(zip.read(entry), path + ":" + name));
  }
  return arrays;
}

void write_npy(const std::string& path, const std::string& dtype,
               const std::vector<std::int64_t>& shape, std::span<const std::byte> bytes) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                   dtype, shape_text(shape));
  const std::size_t prefix = 10;
  while ((prefix + header.size() + 1) % kAlignment != 0) header += ' ';
  header += '\n';
  std::string start = "\x93NUMPY";
  start +=
      {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  start += header;
  std::vector<std::byte> file(start.size() + bytes.size());
  std::memcpy(file.data(), start.data(), start.size());
  if (!bytes.empty()) std::memcpy(file.data() + start.size(), bytes.data(), bytes.size());
  // Reading back what was written is how a wrong dtype, shape or length is found before it is a
  // file.
  const NpyHeader check = parse_npy_header(file, path);
  if (checked_bytes(check.shape, check.item_size) != static_cast<std::int64_t>(bytes.size())) {
    throw Error(fmt::format("Cannot write {}: {} bytes were given for dtype {} and shape {}.", path,
                            bytes.size(), dtype, shape_text(shape)));
  }
  write_file(path, file);
}

}  // namespace salus::io
