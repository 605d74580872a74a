#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/task.h"

namespace salus {

/// A network trained by gradients. Parameter names equal the field's reference (torchvision for
/// images), so that published checkpoints load.
class Model : public torch::nn::Module {
 public:
  /// Penultimate features [N, E].
  virtual at::Tensor embed(const Batch& batch) = 0;
  /// Logits [N, L] from penultimate features.
  virtual at::Tensor classify(const at::Tensor& features) = 0;
  at::Tensor forward(const Batch& batch) { return classify(embed(batch)); }

  /// Last spatial feature map [N, E, h, w] (what Grad-CAM needs), or undefined if there is none.
  virtual at::Tensor feature_map(const Batch& batch) { return {}; }
  /// Penultimate features [N, E] from the feature map: embed(b) = pool(feature_map(b)).
  virtual at::Tensor pool(const at::Tensor& map) { return {}; }
};

/// What a factory is given. Keys in `options` are the architecture's own ("width", "dropout", ...).
struct ModelSpec {
  std::string name;
  std::int64_t channels = 1;
  std::int64_t height = 224;
  std::int64_t width = 224;
  std::int64_t outputs = 1;
  std::map<std::string, double> options;
};

/// One architecture of the zoo.
struct ModelEntry {
  std::string name;
  std::string description;                            ///< one line, for `salus models`
  std::map<std::string, std::string> option_help;     ///< accepted options and what they mean
  std::function<std::shared_ptr<Model>(const ModelSpec&)> make;
};

/// The architectures a program knows. The engine is handed one; it never names an architecture.
class Registry {
 public:
  void add(ModelEntry entry);
  const std::vector<ModelEntry>& entries() const { return entries_; }

  /// \throws UsageError for an unknown name or option, naming the nearest known one.
  std::shared_ptr<Model> make(const ModelSpec& spec) const;

 private:
  std::vector<ModelEntry> entries_;
};

}  // namespace salus
