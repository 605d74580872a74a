#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/model.h"
#include "engine/core/registry.h"

namespace salus::models {

struct GruDOptions {
  std::int64_t variables = 1;  ///< D of "values", "mask" and "delta"
  std::int64_t statics = 0;    ///< S of "static"; 0: the batch need not have it
  std::int64_t units = 64;     ///< H
  std::int64_t outputs = 1;    ///< L
  double dropout = 0;          ///< before the head, in [0, 1)
};

/// GRU-D (Che et al., 2018) on irregular series, by the operator of kernels/gru_d.h.
///
/// Static covariates set the initial state, tanh(static_state(static)), and stand beside the last
/// state before the head: embed() gives [N, H + S]. A static covariate that is NaN (not known) is 0,
/// the mean of z-scored ones. Values are z-scored too: a missing one decays to `mean`, a buffer that
/// is 0 unless it is set.
///
/// Parameters: those of kernels::GruDParameters by their names, static_state.{weight,bias} if there
/// are statics, fc.{weight,bias}. Weights start as torch.nn.GRU's do; decays start positive, because
/// one that is off has no gradient.
///
/// A batch's "values", "mask", "delta" are [N, T, D], "length" int64 [N], "static" [N, S]
/// (engine/core/batch.h); they are converted to the weights' dtype.
///
/// \throws UsageError for sizes below 1 (statics: below 0) or a dropout outside [0, 1). Its
///         embed() throws c10::Error if the batch lacks an input or has one of another shape.
std::shared_ptr<Model> make_gru_d(const GruDOptions& options);

/// The same for the zoo; one label a stay.
ModelEntry gru_d_entry();

}  // namespace salus::models
