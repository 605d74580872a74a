#pragma once

#include "engine/core/registry.h"

namespace salus::models {

/// GRU-D (Che et al., 2018) on irregular series, by the operator of kernels/gru_d.h. Values are
/// z-scored: a missing one decays to `mean`, a buffer that is 0 unless it is set.
///
/// Parameters: those of kernels::GruDParameters by their names, and VitalsModel's. Weights start as
/// torch.nn.GRU's do; decays start positive, because one that is off has no gradient. A score is the
/// same to the bit alone and in any batch. Under autocast the recurrence stays in its weights' dtype.
ModelEntry gru_d_entry();

}  // namespace salus::models
