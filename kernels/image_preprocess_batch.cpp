#include "kernels/image_preprocess_batch.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace salus::kernels::preprocess {
namespace {

/// Lays arrays into the block one after another, each at a multiple of 16 bytes. Without `host` it
/// only measures.
class Packer {
 public:
  Packer(void* host, const void* device)
      : host_(static_cast<char*>(host)), device_(static_cast<const char*>(device)) {}

  template <class T>
  const T* put(const std::vector<T>& values) {
    const std::size_t bytes = values.size() * sizeof(T);
    if (host_ != nullptr && bytes != 0) std::memcpy(host_ + used_, values.data(), bytes);
    const std::size_t place = used_;
    used_ += (bytes + 15) / 16 * 16;
    return device_ == nullptr ? nullptr : reinterpret_cast<const T*>(device_ + place);
  }

  std::size_t used() const { return used_; }

 private:
  char* host_;
  const char* device_;
  std::size_t used_ = 0;
};

std::int32_t axis_end(const Axis& axis, std::int32_t o) {
  const auto i = static_cast<std::size_t>(o);
  return axis.first[i] + axis.begin[i + 1] - axis.begin[i];
}

std::int32_t ceil_div(std::int64_t a, std::int64_t b) {
  return static_cast<std::int32_t>((a + b - 1) / b);
}

/// Most source elements, those before an aligned start included, that a tile of `width` columns
/// needs.
std::int64_t widest_span(const Axis& columns, const ImagePlan& image, std::int32_t width,
                         std::int32_t phase) {
  std::int64_t widest = 0;
  for (std::int32_t o = 0; o < image.width; o += width) {
    const std::int32_t last = std::min(o + width, image.width) - 1;
    const std::int64_t begin =
        std::int64_t{columns.first[static_cast<std::size_t>(o)]} * image.components;
    const std::int64_t end = std::int64_t{axis_end(columns, last)} * image.components;
    widest = std::max(widest, end - begin + (begin + phase) % kPerThread);
  }
  return widest;
}

int pixel_bytes(PixelType type) {
  if (type == PixelType::kFloat32) return 4;
  return type == PixelType::kUint16 || type == PixelType::kInt16 ? 2 : 1;
}

TilePlan make_tiles(const Plan& plan, const ImagePlan& image) {
  const Axis& columns = plan.axes[static_cast<std::size_t>(image.column_axis)];
  const Axis& rows = plan.axes[static_cast<std::size_t>(image.row_axis)];
  TilePlan tile{};
  tile.aligned = image.row_stride % kPerThread == 0 ? 1 : 0;
  const auto address = reinterpret_cast<std::uintptr_t>(image.pixels);
  const auto bytes = static_cast<std::uintptr_t>(pixel_bytes(image.type));
  tile.phase = tile.aligned != 0 ? static_cast<std::int32_t>(address / bytes % kPerThread) : 0;
  std::int32_t across = 1;
  tile.tile_width = image.width;
  while (tile.tile_width > 1 &&
         widest_span(columns, image, tile.tile_width, tile.phase) > kBlockElements) {
    tile.tile_width = ceil_div(image.width, ++across);
  }
  const std::int64_t span = widest_span(columns, image, tile.tile_width, tile.phase);
  tile.lanes = 4;
  while (tile.lanes < kThreads && tile.lanes * kPerThread < span) tile.lanes *= 2;
  tile.lines = kThreads / tile.lanes;
  tile.chunks = ceil_div(span, kBlockElements);
  // A group keeps the source row that two output rows share, so a few rows in turn read it once.
  tile.repeat = rows.shared > 0 ? 4 : 1;
  tile.tiles_across = ceil_div(image.width, tile.tile_width);
  tile.resize_tiles = tile.tiles_across * ceil_div(image.height, tile.lines * tile.repeat);
  return tile;
}

std::int32_t fill_tiles(const OutputPlan& output, const ImagePlan& image) {
  if (image.height == output.height && image.width == output.width) return 0;
  return ceil_div(std::int64_t{output.height} * output.width, kBlockElements);
}

}  // namespace

DeviceBatch pack(const Plan& plan, void* host, const void* device) {
  Packer packer(host, device);
  std::vector<DeviceAxis> axes;
  for (const Axis& axis : plan.axes) {
    axes.push_back({packer.put(axis.first), packer.put(axis.begin), packer.put(axis.weight)});
  }
  DeviceBatch batch{};
  std::vector<DeviceImage> images;
  std::size_t tables = 0;
  for (const ImagePlan& image : plan.images) {
    DeviceImage packed{image, make_tiles(plan, image)};
    if (image.table != nullptr) packed.plan.table = packer.put(plan.tables[tables++]);
    packed.tile.first_tile = batch.tiles;
    batch.tiles += packed.tile.resize_tiles + fill_tiles(plan.output, image);
    images.push_back(packed);
  }
  batch.axes = packer.put(axes);
  batch.images = packer.put(images);
  batch.count = static_cast<std::int32_t>(images.size());
  batch.output = plan.output;
  return batch;
}

std::size_t packed_bytes(const Plan& plan) {
  const auto padded = [](std::size_t bytes) { return (bytes + 15) / 16 * 16; };
  std::size_t total = padded(plan.axes.size() * sizeof(DeviceAxis)) +
                      padded(plan.images.size() * sizeof(DeviceImage));
  for (const Axis& axis : plan.axes) {
    total += padded(axis.first.size() * 4) + padded(axis.begin.size() * 4) +
             padded(axis.weight.size() * 4);
  }
  for (const auto& table : plan.tables) total += padded(table.size() * 4);
  return total;
}

}  // namespace salus::kernels::preprocess
