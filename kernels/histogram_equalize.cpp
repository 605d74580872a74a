#include "kernels/histogram_equalize.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <tuple>

#include "kernels/dispatch.h"
#include "kernels/histogram_checks.h"
#include "kernels/histogram_equalize_plan.h"

namespace salus::kernels {
namespace {

constexpr const char* kName = "histogram_equalize";
constexpr std::int64_t kMostPixels = std::int64_t{1} << 30;

const CudaLauncher<EqualizeLaunch> histogram_equalize_cuda{"histogram_equalize"};

EqualizePlan plan_of(const at::Tensor& image, const EqualizeSpec& spec) {
  check_gray_image(kName, image);
  EqualizePlan plan;
  plan.bits = check_bits(kName, image, spec.bits);
  std::tie(plan.ignore_low, plan.ignore_high) =
      check_ignored(kName, plan.bits, spec.ignore_low, spec.ignore_high);
  if (image.numel() == 0) return plan;
  const std::int64_t pixels = image.size(-2) * image.size(-1);
  TORCH_CHECK(pixels <= kMostPixels, kName, ": an image of ", image.size(-2), " x ", image.size(-1),
              " is too large: it must have at most 2^30 pixels.");
  plan.count = static_cast<int>(image.numel() / pixels);
  plan.pixels = static_cast<int>(pixels);
  return plan;
}

void run(const at::Tensor& image, const EqualizePlan& plan, const at::Tensor& out,
         const at::Tensor& workspace) {
  if (plan.count == 0) return;
  const auto bytes = static_cast<int>(image.element_size());
  if (image.is_cuda()) {
    histogram_equalize_cuda(image.device().index(), plan, bytes, image.const_data_ptr(),
                            out.mutable_data_ptr(), workspace.mutable_data_ptr());
  } else {
    histogram_equalize_cpu(plan, bytes, image.const_data_ptr(), out.mutable_data_ptr(),
                           workspace.mutable_data_ptr());
  }
}

}  // namespace

at::Tensor histogram_equalize(const at::Tensor& image, const EqualizeSpec& spec) {
  const EqualizePlan plan = plan_of(image, spec);
  const at::Tensor in = image.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options());
  const auto bytes = static_cast<std::int64_t>(equalize_workspace(plan));
  run(in, plan, out, at::empty({bytes}, in.options().dtype(at::kByte)));
  return out;
}

std::int64_t histogram_equalize_workspace_bytes(const at::Tensor& image, const EqualizeSpec& spec) {
  return static_cast<std::int64_t>(equalize_workspace(plan_of(image, spec)));
}

void histogram_equalize_out(const at::Tensor& image, const EqualizeSpec& spec,
                            const at::Tensor& out, const at::Tensor& workspace) {
  const EqualizePlan plan = plan_of(image, spec);
  check_out_and_workspace("histogram_equalize_out", image, out, workspace,
                          static_cast<std::int64_t>(equalize_workspace(plan)));
  run(image, plan, out, workspace);
}

}  // namespace salus::kernels
