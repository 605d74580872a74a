#pragma once

#include <torch/torch.h>

#include "engine/core/batch.h"

namespace salus::models {

/// A batch of stays: values, mask, delta [N, T, D], length int64 [N], static [N, S].
struct Stays {
  at::Tensor values, mask, delta, length, statics;
};

/// The batch's inputs. A static covariate that is NaN (not known) becomes 0, the mean of z-scored
/// ones; where `statics` is 0 the batch need not have any.
///
/// \param statics   S. \param training  leave out the steps that no stay of the batch has: shorter
///                  batches are faster. When scoring the shape stays, so that a score does not
///                  depend on the batch.
/// \throws c10::Error if an input is missing or "static" is not [N, S].
Stays stays_of(const Batch& batch, std::int64_t statics, bool training);

/// bool [N, T]: the steps that each stay has.
at::Tensor within(const Stays& stays);

/// bool [N, T, D]: observed, and within the stay.
at::Tensor seen(const Stays& stays);

/// Values, mask and log(1 + delta) side by side, [N, T, 3 D]: what networks see that know nothing of
/// missing values.
at::Tensor series_of(const Stays& stays);

}  // namespace salus::models
