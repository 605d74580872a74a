#pragma once

#include <vector>

#include "engine/core/process_group.h"
#include "engine/similar/index.h"
#include "kernels/similarity.h"

namespace salus::similar {

/// One list from those of several parts of an index; a single one is returned as it is.
kernels::SimilarityResult merge_all(const std::vector<kernels::SimilarityResult>& parts,
                                    std::int64_t k);

/// What every rank found, by one all-gather of Q x (3 k + 2) int32 words. Collective.
/// \param own     on the CPU, with the same Q and k on every rank.
/// \param device  where the words travel: by Gloo between CPUs, by NCCL between GPUs.
/// \returns on the CPU.
std::vector<kernels::SimilarityResult> gather_results(const ProcessGroup& group,
                                                      const kernels::SimilarityResult& own,
                                                      at::Device device);

/// Opens the same snapshot on every rank, also while another process writes. Collective.
/// \throws salus::Error as Index::open() does, or if the ranks cannot agree because the index is
///         written all the time or `path` is not one folder that all of them see.
Index open_together(const std::string& path, const ProcessGroup& group);

}  // namespace salus::similar
