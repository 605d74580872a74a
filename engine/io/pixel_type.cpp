#include "engine/io/image.h"

namespace salus::io {

std::size_t size_of(PixelType type) {
  switch (type) {
    case PixelType::kU8:
    case PixelType::kI8:
      return 1;
    case PixelType::kU16:
    case PixelType::kI16:
      return 2;
    case PixelType::kU32:
    case PixelType::kI32:
    case PixelType::kF32:
      return 4;
    case PixelType::kF64:
      return 8;
  }
  return 0;
}

const char* numpy_name(PixelType type) {
  switch (type) {
    case PixelType::kU8:
      return "|u1";
    case PixelType::kI8:
      return "|i1";
    case PixelType::kU16:
      return "<u2";
    case PixelType::kI16:
      return "<i2";
    case PixelType::kU32:
      return "<u4";
    case PixelType::kI32:
      return "<i4";
    case PixelType::kF32:
      return "<f4";
    case PixelType::kF64:
      return "<f8";
  }
  return "";
}

}  // namespace salus::io
