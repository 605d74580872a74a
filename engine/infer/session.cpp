#include "engine/infer/session.h"

#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <optional>

#include "engine/core/device.h"
#include "engine/infer/calibrated.h"
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
        predictor(build(bundle, registry), bundle.micro_batch, bundle.compute_dtype, device,
                  /*prepare=*/true) {}

  std::vector<std::string> check(const io::Image& image, bool force) const {
    std::vector<std::string> flags = bundle.accepts.mismatches(image);
    if (!flags.empty() && bundle.accepts.refuse && !force) {
      throw Error(fmt::format("{}", fmt::join(flags, " ")));
    }
    return flags;
  }

  Outputs score(const std::vector<io::Image>& images, const std::vector<Frame>& frames) const;
  void conclude(const at::Tensor& logits, Prediction& prediction) const;

  Bundle bundle;
  Registry registry;
  std::string device;
  std::optional<data::Transform> transform;  ///< of images
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

/// From the logits [frames, L] of one image to what is said of it.
void Session::Impl::conclude(const at::Tensor& logits, Prediction& prediction) const {
  const at::Tensor pooled = transform && transform->pool_max() ? logits.amax(0) : logits.mean(0);
  if (!pooled.isfinite().all().item<bool>()) {
    throw Error("The score is not a number; the pixels or the weights are at fault.");
  }
  prediction.logits = row_of(pooled);
  const at::Tensor probabilities = calibrated(bundle, pooled.unsqueeze(0)).contiguous();
  const double* first = probabilities.const_data_ptr<double>();
  prediction.probabilities.assign(first, first + probabilities.numel());
  prediction.decisions = decide(bundle, prediction.probabilities);
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
    predictions[i].flags = impl_->check(images[i], options.force);
    predictions[i].frames = how.frames(images[i]);
    for (const std::int64_t frame : predictions[i].frames) frames.push_back({i, frame});
  });
  if (frames.empty()) return predictions;
  const Outputs outputs = impl_->score(images, frames);
  std::int64_t begin = 0;
  for_each_named(ids, [&](std::size_t i) {
    const auto count = static_cast<std::int64_t>(predictions[i].frames.size());
    impl_->conclude(outputs.logits.narrow(0, begin, count), predictions[i]);
    if (options.embeddings) {
      predictions[i].embedding = row_of(outputs.features.narrow(0, begin, count).mean(0));
    }
    begin += count;
  });
  const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
  for (Prediction& prediction : predictions) prediction.milliseconds = elapsed.count();
  return predictions;
}

std::vector<Prediction> Session::predict(const Batch& batch, const SessionOptions& options) const {
  const auto start = Clock::now();
  const Outputs outputs = impl_->predictor.run(batch);
  std::vector<Prediction> predictions(batch.ids.size());
  for_each_named(batch.ids, [&](std::size_t i) {
    const auto row = static_cast<std::int64_t>(i);
    predictions[i].id = batch.ids[i];
    impl_->conclude(outputs.logits.narrow(0, row, 1), predictions[i]);
    if (options.embeddings) predictions[i].embedding = row_of(outputs.features[row]);
  });
  const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
  for (Prediction& prediction : predictions) prediction.milliseconds = elapsed.count();
  return predictions;
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
