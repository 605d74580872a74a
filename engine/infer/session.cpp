#include "engine/infer/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>

#include "engine/core/device.h"
#include "engine/data/stay_transform.h"
#include "engine/infer/calibrated.h"
#include "engine/infer/pixel_check.h"
#include "engine/infer/weights.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using Clock = std::chrono::steady_clock;

std::shared_ptr<Model> build(const Bundle& bundle, const Registry& registry) {
  auto model = registry.make(bundle.model);
  load_weights(*model, bundle.weights, {}, fmt::format("the bundle '{}'", bundle.name));
  model->eval();
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  return model;
}

std::optional<data::Transform> image_transform(const Bundle& bundle) {
  if (bundle.model.modality != Modality::kImage) return std::nullopt;
  return bundle.transform();
}

/// Hours of a bin of vital signs.
double bin_hours(const Bundle& bundle) {
  return bundle.model.per_step ? bundle.stay_transform().step() : 0;
}

/// One frame to be scored, of image `image`.
struct Frame {
  std::size_t image;
  std::int64_t frame;
};

std::vector<float> row_of(const at::Tensor& row) {
  const at::Tensor plain = row.contiguous();
  return {plain.const_data_ptr<float>(), plain.const_data_ptr<float>() + plain.numel()};
}

/// Calls f(i) for each id; of several, an error names the one it is about.
template <typename Function>
void for_each_named(const std::vector<std::string>& ids, Function f) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    try {
      f(i);
    } catch (const Error& error) {
      if (ids.size() == 1) throw;
      throw Error(fmt::format("{}: {}", ids[i], error.what()));
    }
  }
}

}  // namespace

struct Session::Impl {
  Impl(Bundle given, const Registry& known, const std::string& device_name)
      : bundle(std::move(given)),
        registry(known),
        device(device_name),
        transform(image_transform(bundle)),
        hours(bin_hours(bundle)),
        predictor(build(bundle, registry), bundle.micro_batch, bundle.compute_dtype, device,
                  /*prepare=*/true) {}

  std::vector<std::string> check(const io::Image& image, const std::vector<std::int64_t>& frames,
                                 bool force) const {
    std::vector<std::string> flags = image_mismatches(bundle.accepts, image, frames);
    if (!flags.empty() && bundle.accepts.refuse && !force) {
      throw Error(fmt::format("{}", fmt::join(flags, " ")));
    }
    return flags;
  }

  Outputs score(const std::vector<io::Image>& images, const std::vector<Frame>& frames) const;
  Outputs rows(const Outputs& outputs, const Batch& batch, std::vector<Prediction>& named) const;
  at::Tensor pooled(const at::Tensor& logits) const;
  void conclude(const at::Tensor& logits, std::vector<Prediction>& predictions) const;

  Bundle bundle;
  Registry registry;
  std::string device;
  std::optional<data::Transform> transform;  ///< of images
  double hours;                              ///< of a step that has labels
  ModelPredictor predictor;
  std::once_flag model_once;
  std::shared_ptr<Model> model;
};

/// Frames are transformed and scored one micro-batch at a time: memory does not grow with them.
Outputs Session::Impl::score(const std::vector<io::Image>& images,
                             const std::vector<Frame>& frames) const {
  std::vector<at::Tensor> logits, features;
  const auto step = static_cast<std::size_t>(bundle.micro_batch);
  for (std::size_t begin = 0; begin < frames.size(); begin += step) {
    std::vector<kernels::PreprocessImage> inputs;
    for (std::size_t i = begin; i < std::min(frames.size(), begin + step); ++i) {
      inputs.push_back(transform->compile(images[frames[i].image], frames[i].frame));
    }
    Batch batch;
    batch.inputs["image"] = kernels::image_preprocess(inputs, transform->spec());
    batch.ids.resize(inputs.size());
    Outputs outputs = predictor.run(batch);
    logits.push_back(outputs.logits);
    features.push_back(outputs.features);
  }
  return {at::cat(logits), at::cat(features)};
}

/// A row for each case, or for each step within its length; their names are added to `named`.
Outputs Session::Impl::rows(const Outputs& outputs, const Batch& batch,
                            std::vector<Prediction>& named) const {
  const auto add = [&named](const std::string& id, std::optional<double> hour) {
    Prediction& prediction = named.emplace_back();
    prediction.id = id;
    prediction.hour = hour;
  };
  if (!bundle.model.per_step) {
    for (const std::string& id : batch.ids) add(id, std::nullopt);
    return outputs;
  }
  // A stay in which nothing was measured is scored once, from its statics.
  const at::Tensor length = batch.inputs.at("length").clamp_min(1);
  for (std::size_t i = 0; i < batch.ids.size(); ++i) {
    const auto steps = length[static_cast<std::int64_t>(i)].item<std::int64_t>();
    for (std::int64_t t = 0; t < steps; ++t) add(batch.ids[i], static_cast<double>(t) * hours);
  }
  const auto within =
      at::arange(outputs.logits.size(1)).unsqueeze(0).lt(length.unsqueeze(1));  // [N, T]
  return {outputs.logits.index({within}), outputs.features.index({within})};
}

/// Logits [frames, L] of one image -> [L].
at::Tensor Session::Impl::pooled(const at::Tensor& logits) const {
  return transform->pool_max() ? logits.amax(0) : logits.mean(0);
}

/// From logits, a row [L] a prediction, to what is said.
void Session::Impl::conclude(const at::Tensor& logits, std::vector<Prediction>& predictions) const {
  const at::Tensor rows = logits.contiguous();
  const auto labels = rows.size(1);
  const float* logit = rows.const_data_ptr<float>();
  for (Prediction& prediction : predictions) {
    prediction.logits.assign(logit, logit + labels);
    logit += labels;
    if (std::all_of(prediction.logits.begin(), prediction.logits.end(),
                    [](float value) { return std::isfinite(value); })) {
      continue;
    }
    throw Error(fmt::format("{}The score is not a number; the input or the weights are at fault.",
                            predictions.size() > 1 ? prediction.id + ": " : ""));
  }
  const at::Tensor probabilities = calibrated(bundle, rows).contiguous();
  const double* probability = probabilities.const_data_ptr<double>();
  for (Prediction& prediction : predictions) {
    prediction.probabilities.assign(probability, probability + labels);
    prediction.decisions = decide(bundle, prediction.probabilities);
    probability += labels;
  }
}

Session Session::load(const std::string& bundle_path, const Registry& registry,
                      const std::string& device) {
  return Session(load_bundle(bundle_path), registry, device);
}

Session::Session(Bundle bundle, const Registry& registry, const std::string& device)
    : impl_(std::make_unique<Impl>(std::move(bundle), registry, device)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

std::vector<Prediction> Session::predict(const std::vector<io::Image>& images,
                                         const std::vector<std::string>& ids,
                                         const SessionOptions& options) const {
  TORCH_CHECK(images.size() == ids.size(), "as many ids as images are needed");
  const auto start = Clock::now();
  const data::Transform& how = transform();
  std::vector<Prediction> predictions(images.size());
  std::vector<Frame> frames;
  for_each_named(ids, [&](std::size_t i) {
    predictions[i].id = ids[i];
    predictions[i].frames = how.frames(images[i]);
    if (!options.fit) {
      predictions[i].flags = impl_->check(images[i], predictions[i].frames, options.force);
    }
    predictions[i].warnings = images[i].warnings;
    for (const std::int64_t frame : predictions[i].frames) frames.push_back({i, frame});
  });
  if (frames.empty()) return predictions;
  const Outputs outputs = impl_->score(images, frames);
  std::vector<at::Tensor> logits;
  std::int64_t begin = 0;
  for (Prediction& prediction : predictions) {
    const auto count = static_cast<std::int64_t>(prediction.frames.size());
    logits.push_back(impl_->pooled(outputs.logits.narrow(0, begin, count)));
    if (options.embeddings) {
      prediction.embedding = row_of(outputs.features.narrow(0, begin, count).mean(0));
    }
    begin += count;
  }
  impl_->conclude(at::stack(logits), predictions);
  const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
  for (Prediction& prediction : predictions) prediction.milliseconds = elapsed.count();
  return predictions;
}

std::vector<Prediction> Session::predict(const Batch& batch, const SessionOptions& options) const {
  const auto start = Clock::now();
  const Outputs outputs = impl_->predictor.run(batch);
  std::vector<Prediction> predictions;
  const Outputs rows = impl_->rows(outputs, batch, predictions);
  if (predictions.empty()) return predictions;
  impl_->conclude(rows.logits, predictions);
  for (std::size_t i = 0; options.embeddings && i < predictions.size(); ++i) {
    predictions[i].embedding = row_of(rows.features[static_cast<std::int64_t>(i)]);
  }
  const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
  for (Prediction& prediction : predictions) prediction.milliseconds = elapsed.count();
  return predictions;
}

std::vector<std::string> Session::mismatches(const io::Image& image) const {
  return image_mismatches(impl_->bundle.accepts, image, transform().frames(image));
}

std::string Session::refusal(const io::Image& image, const std::string& id) const {
  if (!impl_->bundle.accepts.refuse) return "";
  try {
    const auto sentences = mismatches(image);
    return sentences.empty() ? "" : fmt::format("{}: {}", id, fmt::join(sentences, " "));
  } catch (const Error& error) {
    return fmt::format("{}: {}", id, error.what());
  }
}

at::Tensor Session::probabilities(const at::Tensor& logits) const {
  return calibrated(impl_->bundle, logits);
}

std::vector<int> Session::decisions(const std::vector<double>& probabilities) const {
  return decide(impl_->bundle, probabilities);
}

const Bundle& Session::bundle() const { return impl_->bundle; }
const data::Transform& Session::transform() const {
  if (impl_->transform) return *impl_->transform;
  throw UsageError(fmt::format("The bundle '{}' takes {}, not images.", impl_->bundle.name,
                               to_string(impl_->bundle.model.modality)));
}
const ModelPredictor& Session::predictor() const { return impl_->predictor; }

std::shared_ptr<Model> Session::model() const {
  std::call_once(impl_->model_once, [this] {
    impl_->model = build(impl_->bundle, impl_->registry);
    impl_->model->to(open_device(impl_->device));
  });
  return impl_->model;
}

}  // namespace salus::infer
