#pragma once

#include <memory>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/step_targets.h"

namespace salus::data {

/// Stays of a table in memory; gridded when they are loaded.
///
/// \param stays    their numbers in the table; `infos` is as long.
/// \param targets  of every step; null: the target of a stay is its info's.
std::unique_ptr<Dataset> open_stays(std::shared_ptr<const io::VitalsTable> table,
                                    std::shared_ptr<const StayTransform> transform,
                                    std::vector<std::int64_t> stays, std::vector<CaseInfo> infos,
                                    std::shared_ptr<const StepTargets> targets);

}  // namespace salus::data
