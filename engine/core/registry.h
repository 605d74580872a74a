#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/modality.h"

namespace salus {

class Model;

/// A static covariate that is a time on a stay's clock, as of the admission to hospital before a stay in
/// intensive care. Bin t lies t - (scale z + offset) bins after it, z being the number in "static".
struct StaticClock {
  std::int64_t column = 0;  ///< of "static"
  double scale = 1, offset = 0;
};

/// What a factory is given. Keys in `options` are the architecture's own ("width", "dropout", ...).
struct ModelSpec {
  std::string name;
  std::int64_t channels = 1;  ///< of an image, as height and width
  std::int64_t height = 224;
  std::int64_t width = 224;
  std::int64_t outputs = 1;
  std::map<std::string, double> options;
  Modality modality = Modality::kImage;
  std::int64_t variables = 0;       ///< D of vitals
  std::int64_t statics = 0;         ///< S of vitals; 0 = none
  std::int64_t steps = 0;           ///< T of vitals: the longest stay
  bool per_step = false;            ///< vitals: logits [N, T, L], one row a step, instead of [N, L]
  std::vector<StaticClock> clocks;  ///< of vitals
  /// Of an ensemble (engine/core/ensemble.h): names and options of its members, whose sizes are the
  /// ensemble's. Not empty exactly if `name` is "ensemble".
  std::vector<ModelSpec> members;

  /// The option, or `fallback` if it is not given.
  double option(const std::string& key, double fallback) const {
    const auto it = options.find(key);
    return it == options.end() ? fallback : it->second;
  }
};

inline constexpr const char* kEnsemble = "ensemble";

/// The model of `member` with the sizes of `sizes`: only name and options are the member's.
ModelSpec sized_like(const ModelSpec& sizes, const ModelSpec& member);

/// The model's input in words: "28 x 28 pixels in 1 channel".
std::string input_text(const ModelSpec& spec);

/// One architecture of the zoo.
struct ModelEntry {
  std::string name;
  std::string description;                         ///< one line, for `salus models`
  std::map<std::string, std::string> option_help;  ///< accepted options and what they mean
  std::function<std::shared_ptr<Model>(const ModelSpec&)> make;
  Modality modality = Modality::kImage;
};

/// The architectures a program knows. The engine is handed one; it never names an architecture.
class Registry {
 public:
  /// \throws UsageError if the name is taken.
  void add(ModelEntry entry);
  const std::vector<ModelEntry>& entries() const { return entries_; }

  /// Builds a model, its weights initialised from LibTorch's default generator.
  ///
  /// \throws UsageError for an unknown name or option, naming the nearest known one, for a model of
  ///         another modality, for a size or number of channels, variables, steps or outputs below
  ///         1, and for an option value that the architecture does not take.
  std::shared_ptr<Model> make(const ModelSpec& spec) const;

 private:
  const ModelEntry& find(const std::string& name) const;
  std::shared_ptr<Model> make_ensemble(const ModelSpec& spec) const;

  std::vector<ModelEntry> entries_;
};

}  // namespace salus
