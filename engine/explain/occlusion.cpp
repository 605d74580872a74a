#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "engine/explain/attribution.h"

namespace salus::explain {
namespace {

/// Starts of windows every `stride` pixels; the last one ends at the border.
std::vector<std::int64_t> starts(std::int64_t size, std::int64_t window, std::int64_t stride) {
  std::vector<std::int64_t> result;
  for (std::int64_t at = 0; at + window < size; at += stride) result.push_back(at);
  result.push_back(std::max<std::int64_t>(0, size - window));
  return result;
}

struct Window {
  std::int64_t top, left;
};

at::Tensor logits_of(Model& model, const at::Tensor& images, std::int64_t label) {
  Batch batch;
  batch.inputs["image"] = images.contiguous(at::MemoryFormat::ChannelsLast);
  batch.ids.resize(static_cast<std::size_t>(images.size(0)));
  return model.forward(batch).select(1, label).to(at::kCPU, at::kDouble);
}

}  // namespace

Attribution occlusion(Model& model, const at::Tensor& image, std::int64_t label,
                      std::int64_t window, std::int64_t stride, const at::Tensor& hidden,
                      std::int64_t batch) {
  c10::InferenceMode inference;
  const std::int64_t height = image.size(2), width = image.size(3);
  const std::int64_t tall = std::min(window, height), wide = std::min(window, width);
  std::vector<Window> windows;
  for (const std::int64_t top : starts(height, tall, stride)) {
    for (const std::int64_t left : starts(width, wide, stride)) windows.push_back({top, left});
  }
  const double whole = logits_of(model, image, label).item<double>();
  const at::Tensor fill = hidden.to(image.options()).view({-1, 1, 1});
  at::Tensor sum = at::zeros({height, width}, at::kDouble);
  at::Tensor covered = at::zeros({height, width}, at::kDouble);
  for (std::size_t begin = 0; begin < windows.size(); begin += static_cast<std::size_t>(batch)) {
    const std::size_t end = std::min(windows.size(), begin + static_cast<std::size_t>(batch));
    at::Tensor copies = image.repeat({static_cast<std::int64_t>(end - begin), 1, 1, 1});
    const auto cut = [&](const at::Tensor& t, const Window& w, std::int64_t dim) {
      return t.narrow(dim, w.top, tall).narrow(dim + 1, w.left, wide);
    };
    for (std::size_t i = begin; i < end; ++i) {
      cut(copies[static_cast<std::int64_t>(i - begin)], windows[i], 1).copy_(fill);
    }
    const at::Tensor logits = logits_of(model, copies, label);
    for (std::size_t i = begin; i < end; ++i) {
      cut(sum, windows[i], 0)
          .add_(whole - logits[static_cast<std::int64_t>(i - begin)].item<double>());
      cut(covered, windows[i], 0).add_(1);
    }
  }
  return {(sum / covered.clamp_min(1)).to(at::kFloat), whole};
}

}  // namespace salus::explain
