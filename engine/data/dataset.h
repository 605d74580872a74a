#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
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
  std::vector<float> target;                     ///< [L], NaN = not known; empty = unlabelled
  std::string part;  ///< "train", "valid", "test" where the data bring their division, or ""
};

/// Cases that a trainer or evaluator draws from. Deterministic; const methods are thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  virtual const CaseInfo& info(std::int64_t i) const = 0;
  /// Inputs, ids and targets of the cases at `indices`, in that order, on the CPU.
  virtual Batch load(at::IntArrayRef indices) const = 0;
  /// 64-bit hash of the stored pixels of case i (equal pixels in two splits are reported).
  virtual std::uint64_t content_hash(std::int64_t i) const = 0;

  /// Reads everything once, so that load() only gathers. Calls `progress(done, total)`.
  /// \throws Error listing what cannot be read (all of it, not only the first).
  virtual void cache(const std::function<void(std::int64_t, std::int64_t)>& progress) {}
  /// Bytes that cache() would take; 0 if everything is in memory anyway.
  virtual std::int64_t cache_bytes() const { return 0; }
};

/// Targets of all cases, float32 [N, L].
at::Tensor targets(const Dataset& dataset);

}  // namespace salus::data
