#include "engine/explain/heatmap.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>

#include "engine/core/config.h"
#include "engine/core/model.h"
#include "engine/explain/attribution.h"
#include "engine/explain/placement.h"
#include "engine/infer/pixel_check.h"
#include "engine/io/error.h"

namespace salus::explain {
namespace {

constexpr std::int64_t kOcclusionBatch = 16;

/// Position of the label; "" = the first, or the most probable of a multiclass task.
std::int64_t label_index(const infer::Session& session, const std::string& label,
                         const at::Tensor& input) {
  const Task& task = session.bundle().task;
  if (label.empty()) {
    if (task.kind != TaskKind::kMulticlass) return 0;
    Batch batch;
    batch.inputs["image"] = input;
    batch.ids.resize(1);
    return session.predictor().predict(batch).argmax(1).item<std::int64_t>();
  }
  const auto found = std::find(task.labels.begin(), task.labels.end(), label);
  if (found != task.labels.end()) return found - task.labels.begin();
  const std::string near = nearest(label, task.labels);
  throw UsageError(fmt::format("The bundle has no label '{}'.{} Its labels: {}.", label,
                               near.empty() ? "" : fmt::format(" Did you mean '{}'?", near),
                               fmt::join(task.labels, ", ")));
}

std::int64_t frame_of(const infer::Session& session, const io::Image& image,
                      const Options& options) {
  if (options.frame < 0) return session.transform().frames(image).at(0);
  if (options.frame < image.pixels.frames) return options.frame;
  throw UsageError(fmt::format("The image has no frame {}; its {} frames are counted from 0.",
                               options.frame, image.pixels.frames));
}

void check_fit(const infer::Session& session, const io::Image& image, std::int64_t frame) {
  const infer::Acceptance& accepts = session.bundle().accepts;
  if (!accepts.refuse) return;
  const auto mismatches = infer::image_mismatches(accepts, image, {frame});
  if (!mismatches.empty()) throw Error(fmt::format("{}", fmt::join(mismatches, " ")));
}

/// What the transform gives for a pixel of `pad_value`, per channel.
at::Tensor hidden_value(const kernels::PreprocessSpec& spec) {
  std::vector<float> values;
  for (std::int64_t c = 0; c < spec.channels; ++c) {
    const auto of = [c](const std::vector<double>& list, double fallback) {
      if (list.empty()) return fallback;
      return list.size() == 1 ? list[0] : list[static_cast<std::size_t>(c)];
    };
    values.push_back(static_cast<float>((spec.pad_value - of(spec.mean, 0)) / of(spec.stddev, 1)));
  }
  return at::tensor(values);
}

Attribution occlude(Model& model, const at::Tensor& input, std::int64_t label,
                    const Options& options, const kernels::PreprocessSpec& spec) {
  if (options.window < 0 || options.stride < 0) {
    throw UsageError("The window and the stride of an occlusion must be at least 1 pixel.");
  }
  const std::int64_t side = std::min(spec.height, spec.width);
  const std::int64_t window =
      options.window > 0 ? options.window : std::max<std::int64_t>(1, side / 8);
  const std::int64_t stride =
      options.stride > 0 ? options.stride : std::max<std::int64_t>(1, window / 2);
  return occlusion(model, input, label, window, stride, hidden_value(spec), kOcclusionBatch);
}

}  // namespace

Heatmap explain(const infer::Session& session, const io::Image& image, const std::string& label,
                const Options& options) {
  const std::int64_t frame = frame_of(session, image, options);
  check_fit(session, image, frame);
  const kernels::PreprocessSpec& spec = session.transform().spec();
  const kernels::PreprocessImage source = session.transform().compile(image, frame);
  const auto model = session.model();
  const at::Tensor input = kernels::image_preprocess({source}, spec);
  const std::int64_t index = label_index(session, label, input);
  const at::Tensor placed =
      input.to(model->parameters()[0].device()).contiguous(at::MemoryFormat::ChannelsLast);
  const Attribution found = options.method == Method::kGradCam
                                ? grad_cam(*model, placed, index)
                                : occlude(*model, placed, index, options, spec);
  Heatmap heatmap;
  heatmap.values = to_source(found.map, spec, source.box, image.pixels.rows, image.pixels.columns);
  heatmap.method = to_string(options.method);
  heatmap.label = session.bundle().task.labels[static_cast<std::size_t>(index)];
  heatmap.frame = frame;
  heatmap.logit = found.logit;
  heatmap.largest = heatmap.values.abs().max().item<double>();
  return heatmap;
}

Method parse_method(const std::string& name) {
  for (const Method method : {Method::kGradCam, Method::kOcclusion}) {
    if (name == to_string(method)) return method;
  }
  throw UsageError(fmt::format("There is no method '{}'; choose grad-cam or occlusion.", name));
}

std::string to_string(Method method) {
  return method == Method::kGradCam ? "grad-cam" : "occlusion";
}

}  // namespace salus::explain
