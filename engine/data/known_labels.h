#pragma once

#include <string>

#include "engine/core/config.h"
#include "engine/core/task.h"
#include "engine/data/dataset.h"

namespace salus::data {

/// For before a training run or an evaluation, which say nothing where no target is known. Stops at
/// the first case with one.
///
/// \param data  the [data] table that the cases come from; its files and columns are named.
/// \param of    whose cases these are: "the training part".
/// \throws Error if no case has any known target (with labels a step: none that lies on the grid).
void require_known_labels(const Dataset& dataset, const Config& data, const Task& task,
                          const std::string& of);

}  // namespace salus::data
