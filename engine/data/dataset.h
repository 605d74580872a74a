#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/batch.h"
#include "engine/core/task.h"

namespace salus::data {

/// What is known of one case beside its inputs.
struct CaseInfo {
  std::string id;       ///< as the caller named it: relative path, or "file.npz#12"
  std::string patient;  ///< for splits and bootstrap; never written to any output
  std::map<std::string, std::string> subgroups;  ///< column -> value ("view" -> "AP")
  std::vector<float> target;  ///< [L], NaN = not known; empty = unlabelled. Of labels a step: the
                              ///< largest of the steps
  /// Labels of steps that announce an onset: its hour in the stay, NaN if there was none; nothing: the
  /// data do not say it.
  std::optional<double> onset = std::nullopt;
  std::string part;  ///< "train", "valid", "test" where the data bring their division, or ""
};

/// What CaseInfo calls the part of a name: "train", "valid" (of "valid", "val" and "validation") or
/// "test"; "" for any other name.
std::string part_named(const std::string& name);

/// Cases that a trainer or evaluator draws from. Deterministic; const methods are thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  virtual const CaseInfo& info(std::int64_t i) const = 0;
  /// Inputs, ids and targets of the cases at `indices`, in that order, on the CPU.
  virtual Batch load(at::IntArrayRef indices) const = 0;
  /// What is known of the cases at `indices`, float32 [rows, L]: a row a case or, with labels a step, a
  /// row for each labelled step.
  virtual at::Tensor targets(at::IntArrayRef indices) const;
  /// Steps of case i, for batches of cases of like length; 1 where cases have no length.
  virtual std::int64_t steps(std::int64_t i) const { return 1; }
  /// 64-bit hash of the stored pixels of case i (equal pixels in two splits are reported).
  virtual std::uint64_t content_hash(std::int64_t i) const = 0;

  /// Reads everything once, so that load() only gathers. Calls `progress(done, total)`.
  /// \throws Error listing what cannot be read (all of it, not only the first).
  virtual void cache(const std::function<void(std::int64_t, std::int64_t)>& progress) {}
  /// Bytes that cache() would take; 0 if everything is in memory anyway.
  virtual std::int64_t cache_bytes() const { return 0; }
  /// Paths of the cases' files that do not exist, found without reading any.
  virtual std::vector<std::string> missing_files() const { return {}; }
};

}  // namespace salus::data
