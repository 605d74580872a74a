#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/process_group.h"
#include "engine/similar/index.h"
#include "kernels/similarity.h"

namespace salus::similar {

/// Rows [begin, end) of one part of an index.
struct PartRows {
  std::size_t part = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// The rows that rank `rank` of `ranks` holds: the blocks of 256 rows of all parts, dealt out in
/// order and as evenly as whole blocks allow. Every row is some rank's; a rank may have none.
std::vector<PartRows> shard_of(const Index& index, int rank, int ranks);

/// Searches the rows of an index, or this rank's share of them, on one device.
///
/// Under torchrun each rank has a Searcher of its own over the same index; a search is then a
/// collective call with the same queries on every rank: each searches its rows, one all-gather
/// brings the k candidates of all to all, and every rank returns the same result. With
/// SimilarityOptions::exact it equals that of one rank to the bit.
class Searcher {
 public:
  /// Copies this rank's rows to a GPU; on the CPU they stay mapped.
  /// \param group  outlives the searcher.
  Searcher(const Index& index, const ProcessGroup& group, at::Device device);

  /// Which rows may be found. They must satisfy all `conditions` and not be deleted.
  void restrict_to(const std::vector<Condition>& conditions);

  /// The k nearest rows of each query; ids are row numbers of the index.
  ///
  /// \param queries  float32 [Q, D] on the CPU, standardised as the index is.
  /// \param exclude  one row per query that it must not find, -1 for none; or empty.
  /// \returns tensors on the CPU.
  kernels::SimilarityResult search(const at::Tensor& queries,
                                   const kernels::SimilarityOptions& options,
                                   const std::vector<std::int64_t>& exclude = {}) const;

  /// Checks the checksums of the files as far as this rank uses them.
  /// \throws salus::Error naming the file where one does not fit.
  void verify() const;

 private:
  struct Share {
    PartRows rows;
    kernels::SimilarityIndex similarity;
    at::Tensor mask;  ///< undefined: every row
  };
  kernels::SimilarityResult search_share(const Share& share, const at::Tensor& queries,
                                         const kernels::SimilarityOptions& options,
                                         const std::vector<std::int64_t>& exclude) const;

  const Index index_;
  const ProcessGroup& group_;
  at::Device device_;
  std::vector<Share> shares_;
};

}  // namespace salus::similar
