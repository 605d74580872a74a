#include "engine/io/modality.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "engine/io/error.h"

namespace salus::io {
namespace {

/// Calls `f` with a typed pointer to the pixels.
template <typename F>
void with_type(const Image& image, F f) {
  const std::byte* bytes = image.pixels.bytes->data();
  switch (image.pixels.type) {
    case PixelType::kU8:
      return f(reinterpret_cast<const std::uint8_t*>(bytes));
    case PixelType::kI8:
      return f(reinterpret_cast<const std::int8_t*>(bytes));
    case PixelType::kU16:
      return f(reinterpret_cast<const std::uint16_t*>(bytes));
    case PixelType::kI16:
      return f(reinterpret_cast<const std::int16_t*>(bytes));
    case PixelType::kU32:
      return f(reinterpret_cast<const std::uint32_t*>(bytes));
    case PixelType::kI32:
      return f(reinterpret_cast<const std::int32_t*>(bytes));
    case PixelType::kF32:
      return f(reinterpret_cast<const float*>(bytes));
    case PixelType::kF64:
      return f(reinterpret_cast<const double*>(bytes));
  }
}

/// One frame's transform as a function of the stored value, in double.
class Transform {
 public:
  explicit Transform(const GrayscaleChain& chain) : chain_(chain) {}
  double operator()(double stored) const {
    if (!chain_.modality_lut) return stored * chain_.slope + chain_.intercept;
    if (std::isnan(stored)) return stored;
    const LookupTable& table = *chain_.modality_lut;
    const double last = static_cast<double>(table.entries.size()) - 1;
    const double at = std::clamp(stored - static_cast<double>(table.first), 0.0, last);
    return table.entries[static_cast<std::size_t>(at)];
  }

 private:
  const GrayscaleChain& chain_;
};

bool is_identity(const GrayscaleChain& chain) {
  return !chain.modality_lut && chain.slope == 1 && chain.intercept == 0;
}

bool is_integer(PixelType type) { return type != PixelType::kF32 && type != PixelType::kF64; }

/// Statistics and padding over all values, in the order that they stand in. Sums are kept per row
/// of a frame, so that the mean of millions of values loses no digits.
class Statistics {
 public:
  explicit Statistics(ModalityValues& values) : values_(values) {
    values_.minimum = std::numeric_limits<double>::infinity();
    values_.maximum = -values_.minimum;
  }

  void add(double value) {
    if (std::isnan(value)) {
      ++values_.nan_count;
      return;
    }
    values_.minimum = std::min(values_.minimum, value);
    values_.maximum = std::max(values_.maximum, value);
    row_ += value;
    ++count_;
  }

  void end_row() {
    sum_ += row_;
    row_ = 0;
  }

  void finish() {
    end_row();
    if (count_ == 0) {
      values_.minimum = values_.maximum = values_.mean = std::numeric_limits<double>::quiet_NaN();
    } else {
      values_.mean = sum_ / static_cast<double>(count_);
    }
  }

 private:
  ModalityValues& values_;
  double sum_ = 0, row_ = 0;
  std::int64_t count_ = 0;
};

/// For images whose reader set no chain.
const GrayscaleChain kIdentity;

/// Applies the chain of each frame to each value and hands (frame, index, stored value, modality
/// value, whether a row ends) to `f`.
template <typename F>
void for_each_value(const Image& image, F f) {
  const std::int64_t per_frame = image.pixels.values_per_frame();
  const std::int64_t per_row = image.pixels.columns * image.pixels.samples;
  with_type(image, [&](const auto* stored) {
    for (std::int64_t frame = 0; frame < image.pixels.frames; ++frame) {
      const Transform transform(image.gray.empty() ? kIdentity : image.chain(frame));
      for (std::int64_t i = 0; i < per_frame; ++i) {
        const std::int64_t at = frame * per_frame + i;
        f(frame, at, static_cast<double>(stored[at]), transform(static_cast<double>(stored[at])),
          (i + 1) % per_row == 0);
      }
    }
  });
}

/// The narrowest integer type that holds [minimum, maximum], or kF32 if none of 32 bits does.
PixelType integer_type(double minimum, double maximum) {
  const auto fits = [&](auto example) {
    using T = decltype(example);
    return minimum >= static_cast<double>(std::numeric_limits<T>::min()) &&
           maximum <= static_cast<double>(std::numeric_limits<T>::max());
  };
  if (fits(std::uint8_t{})) return PixelType::kU8;
  if (fits(std::int8_t{})) return PixelType::kI8;
  if (fits(std::uint16_t{})) return PixelType::kU16;
  if (fits(std::int16_t{})) return PixelType::kI16;
  if (fits(std::uint32_t{})) return PixelType::kU32;
  if (fits(std::int32_t{})) return PixelType::kI32;
  return PixelType::kF32;
}

template <typename T>
void store(const Image& image, std::vector<std::byte>& bytes) {
  T* out = reinterpret_cast<T*>(bytes.data());
  for_each_value(image, [out](std::int64_t, std::int64_t at, double, double value, bool) {
    out[at] = static_cast<T>(value);
  });
}

void store_as(const Image& image, PixelType type, std::vector<std::byte>& bytes) {
  switch (type) {
    case PixelType::kU8:
      return store<std::uint8_t>(image, bytes);
    case PixelType::kI8:
      return store<std::int8_t>(image, bytes);
    case PixelType::kU16:
      return store<std::uint16_t>(image, bytes);
    case PixelType::kI16:
      return store<std::int16_t>(image, bytes);
    case PixelType::kU32:
      return store<std::uint32_t>(image, bytes);
    case PixelType::kI32:
      return store<std::int32_t>(image, bytes);
    default:
      return store<float>(image, bytes);
  }
}

}  // namespace

ModalityValues modality_values(const Image& image) {
  if (!image.pixels.bytes) throw Error("The image was read without its pixels.");
  ModalityValues values;
  Statistics statistics(values);
  bool whole = is_integer(image.pixels.type);
  bool identity = true;
  for (const GrayscaleChain& chain : image.gray) identity = identity && is_identity(chain);
  for_each_value(image,
                 [&](std::int64_t frame, std::int64_t, double stored, double value, bool row_ends) {
                   statistics.add(value);
                   whole = whole && value == std::floor(value);
                   const std::optional<PaddingRange>& padding = image.padding_of(frame);
                   if (padding && stored >= padding->low && stored <= padding->high)
                     ++values.padding_count;
                   if (row_ends) statistics.end_row();
                 });
  statistics.finish();
  if (whole) {
    values.type = identity ? image.pixels.type : integer_type(values.minimum, values.maximum);
  }
  const auto count =
      static_cast<std::size_t>(image.pixels.frames * image.pixels.values_per_frame());
  values.bytes.resize(count * size_of(values.type));
  if (identity && values.type == image.pixels.type) {
    std::memcpy(values.bytes.data(), image.pixels.bytes->data(), values.bytes.size());
  } else {
    store_as(image, values.type, values.bytes);
  }
  return values;
}

}  // namespace salus::io
