#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/registry.h"
#include "engine/data/dataset.h"

namespace salus::data {

/// Every case that a [data] table names, in any modality, before the cases are divided into parts.
class Source {
 public:
  virtual ~Source() = default;

  /// What is known of each case without loading it; `part` where the data bring their own division.
  virtual const std::vector<CaseInfo>& cases() const = 0;

  /// Learns from the cases at `train` what preprocessing needs of them (means of variables, say).
  /// Called once, before open().
  virtual void fit(const std::vector<std::int64_t>& train) {}

  /// The cases at `positions`, in that order.
  virtual std::unique_ptr<Dataset> open(const std::vector<std::int64_t>& positions) const = 0;

  /// The [transform] table with everything resolved and learnt: what a bundle keeps.
  virtual std::string transform_toml() const = 0;

  /// What was met in the data that a user should know, in one sentence; "" for nothing.
  virtual std::string remarks() const { return ""; }

  /// Sets modality and sizes of the input of a model for these cases.
  virtual void describe(ModelSpec& spec) const = 0;
};

/// Told why an input is left out, in a sentence that names it.
using Unreadable = std::function<void(const std::string& reason)>;

/// Opens what `data` names for the modality that `transform` states (`modality = "image"`).
/// \param unreadable  of stays that have a file each: those that cannot be read are left out and told;
///                    without it they are errors.
/// \throws UsageError for a bad table; Error for files that are missing or malformed.
std::unique_ptr<Source> open_source(const Config& data, const Config& transform, const Task& task,
                                    int threads, const Unreadable& unreadable = {});

/// The modality that a [transform] table is for: its key `modality`, by default "image".
Modality modality_of(const Config& transform);

/// The table with the defaults of its modality written out. \throws UsageError for a bad table.
std::string resolved_transform(const Config& transform);

}  // namespace salus::data
