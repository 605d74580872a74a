#pragma once

#include <string>
#include <vector>

#include "engine/io/dicom.h"
#include "engine/io/modality.h"
#include "tests/support/dicom_builder.h"
#include "tests/support/files.h"

namespace salus::test {

/// What read_dicom makes of built bytes, through a file.
inline io::Image read_built(const Bytes& bytes, const io::ReadLimits& limits = {}) {
  const TemporaryFolder folder;
  write_test_file(folder.path("built"), bytes);
  return io::read_dicom(folder.path("built"), limits);
}
inline io::Image read_built(const DicomBuilder& builder) { return read_built(builder.build()); }

/// Any values as double.
inline std::vector<double> as_doubles(const std::vector<std::byte>& bytes, io::PixelType type) {
  std::vector<double> values;
  const auto fill = [&](auto example) {
    using T = decltype(example);
    const T* from = reinterpret_cast<const T*>(bytes.data());
    values.assign(from, from + bytes.size() / sizeof(T));
  };
  switch (type) {
    case io::PixelType::kU8:
      fill(std::uint8_t{});
      break;
    case io::PixelType::kI8:
      fill(std::int8_t{});
      break;
    case io::PixelType::kU16:
      fill(std::uint16_t{});
      break;
    case io::PixelType::kI16:
      fill(std::int16_t{});
      break;
    case io::PixelType::kU32:
      fill(std::uint32_t{});
      break;
    case io::PixelType::kI32:
      fill(std::int32_t{});
      break;
    case io::PixelType::kF32:
      fill(float{});
      break;
    case io::PixelType::kF64:
      fill(double{});
      break;
  }
  return values;
}

inline std::vector<double> stored_values(const io::Image& image) {
  return as_doubles(*image.pixels.bytes, image.pixels.type);
}

inline std::vector<double> modality_doubles(const io::Image& image) {
  const io::ModalityValues values = io::modality_values(image);
  return as_doubles(values.bytes, values.type);
}

}  // namespace salus::test
