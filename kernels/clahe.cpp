#include "kernels/clahe.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "kernels/clahe_plan.h"
#include "kernels/dispatch.h"
#include "kernels/histogram_checks.h"

namespace salus::kernels {
namespace {

constexpr std::int64_t kMostWorkspace = std::int64_t{64} << 20;
constexpr std::int64_t kMostTiles = 1024;
constexpr std::int64_t kMostPixels = std::int64_t{1} << 30;

const CudaLauncher<ClaheLaunch> clahe_cuda{"clahe"};

void check_tiles(const char* name, std::int64_t tiles) {
  TORCH_CHECK(tiles >= 1 && tiles <= kMostTiles, "clahe: ", name, " must lie in 1 to ", kMostTiles,
              ", not be ", tiles, ".");
}

/// Height and width with the reflected border that OpenCV adds.
std::pair<std::int64_t, std::int64_t> padded_size(std::int64_t height, std::int64_t width,
                                                  const ClaheSpec& spec) {
  if (height % spec.tiles_y == 0 && width % spec.tiles_x == 0) return {height, width};
  return {height + spec.tiles_y - height % spec.tiles_y,
          width + spec.tiles_x - width % spec.tiles_x};
}

/// The plan of one image after another; `count` is how many there are.
ClahePlan plan_of(const at::Tensor& image, const ClaheSpec& spec) {
  check_gray_image("clahe", image);
  check_tiles("tiles_x", spec.tiles_x);
  check_tiles("tiles_y", spec.tiles_y);
  TORCH_CHECK(std::isfinite(spec.clip_limit), "clahe: clip_limit must be finite, not ",
              spec.clip_limit, ".");
  ClahePlan plan;
  plan.bits = check_bits("clahe", image, spec.bits);
  std::tie(plan.ignore_low, plan.ignore_high) =
      check_ignored("clahe", plan.bits, spec.ignore_low, spec.ignore_high);
  const std::int64_t height = image.size(-2), width = image.size(-1);
  const auto [tall, wide] = padded_size(height, width, spec);
  TORCH_CHECK(tall <= kMostPixels && wide <= kMostPixels && tall * wide <= kMostPixels,
              "clahe: an image of ", height, " x ", width,
              " is too large: with its border it must have at most 2^30 pixels.");
  if (image.numel() == 0) return plan;
  plan.count = static_cast<int>(image.numel() / (height * width));
  plan.height = static_cast<int>(height);
  plan.width = static_cast<int>(width);
  plan.tiles_x = static_cast<int>(spec.tiles_x);
  plan.tiles_y = static_cast<int>(spec.tiles_y);
  plan.tile_width = static_cast<int>(wide / spec.tiles_x);
  plan.tile_height = static_cast<int>(tall / spec.tiles_y);
  plan.inverse_tile_width = 1.0F / static_cast<float>(plan.tile_width);
  plan.inverse_tile_height = 1.0F / static_cast<float>(plan.tile_height);
  if (spec.clip_limit > 0) {
    const double area = static_cast<double>(plan.tile_width) * plan.tile_height;
    const double limit = spec.clip_limit * area / plan.levels();
    plan.limit = static_cast<std::uint32_t>(std::clamp(limit, 1.0, area));
  }
  return plan;
}

/// How many images' tables fit the workspace.
int images_at_once(const ClahePlan& plan) {
  const auto each = static_cast<std::int64_t>(clahe_image_workspace(plan));
  return static_cast<int>(std::clamp<std::int64_t>(kMostWorkspace / each, 1, plan.count));
}

std::int64_t workspace_of(const ClahePlan& plan) {
  if (plan.count == 0) return 0;
  return images_at_once(plan) * static_cast<std::int64_t>(clahe_image_workspace(plan));
}

void run(const at::Tensor& image, const ClahePlan& whole, const at::Tensor& out,
         const at::Tensor& workspace) {
  if (whole.count == 0) return;
  const auto bytes = static_cast<int>(image.element_size());
  const auto* in = static_cast<const unsigned char*>(image.const_data_ptr());
  auto* to = static_cast<unsigned char*>(out.mutable_data_ptr());
  const int step = images_at_once(whole);
  for (int begin = 0; begin < whole.count; begin += step) {
    ClahePlan plan = whole;
    plan.count = std::min(step, whole.count - begin);
    const std::int64_t offset = begin * plan.pixels() * bytes;
    if (image.is_cuda()) {
      clahe_cuda(image.device().index(), plan, bytes, in + offset, to + offset,
                 workspace.mutable_data_ptr());
    } else {
      clahe_cpu(plan, bytes, in + offset, to + offset, workspace.mutable_data_ptr());
    }
  }
}

}  // namespace

at::Tensor clahe(const at::Tensor& image, const ClaheSpec& spec) {
  const ClahePlan plan = plan_of(image, spec);
  const at::Tensor in = image.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options());
  run(in, plan, out, at::empty({workspace_of(plan)}, in.options().dtype(at::kByte)));
  return out;
}

std::int64_t clahe_workspace_bytes(const at::Tensor& image, const ClaheSpec& spec) {
  return workspace_of(plan_of(image, spec));
}

void clahe_out(const at::Tensor& image, const ClaheSpec& spec, const at::Tensor& out,
               const at::Tensor& workspace) {
  const ClahePlan plan = plan_of(image, spec);
  check_out_and_workspace("clahe_out", image, out, workspace, workspace_of(plan));
  run(image, plan, out, workspace);
}

}  // namespace salus::kernels
