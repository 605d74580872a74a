#include "engine/similar/search.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/similar/segment_layout.h"
#include "engine/similar/sharded.h"

namespace salus::similar {
namespace {

kernels::SimilarityResult nothing_found(std::int64_t queries, std::int64_t k) {
  return {at::full({queries, k}, -std::numeric_limits<float>::infinity(), at::kFloat),
          at::full({queries, k}, std::int64_t{-1}, at::kLong), at::full({queries}, true, at::kBool),
          at::zeros({queries}, at::kFloat)};
}

kernels::SimilarityIndex moved(const kernels::SimilarityIndex& index, at::Device device) {
  if (device.is_cpu()) return index;
  kernels::SimilarityIndex copy = index;
  for (at::Tensor* tensor : {&copy.rows, &copy.scales, &copy.exact_rows, &copy.norms,
                             &copy.multipliers, &copy.offsets, &copy.bounds}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return copy;
}

std::int64_t blocks_of(std::int64_t rows) { return (rows + kBoundsBlock - 1) / kBoundsBlock; }

/// Numbers of a part -> numbers of the index, where there is a row.
void shift_ids(at::Tensor& ids, std::int64_t by) {
  auto* values = ids.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    if (values[i] >= 0) values[i] += by;
  }
}

}  // namespace

std::vector<PartRows> shard_of(const Index& index, int rank, int ranks) {
  std::int64_t blocks = 0;
  for (const auto& part : index.parts()) blocks += blocks_of(part->segment.rows());
  const std::int64_t begin = blocks * rank / ranks;
  const std::int64_t end = blocks * (rank + 1) / ranks;
  std::vector<PartRows> shard;
  std::int64_t first = 0;  // block of the part's first row
  for (std::size_t place = 0; place < index.parts().size(); ++place) {
    const std::int64_t rows = index.parts()[place]->segment.rows();
    const std::int64_t from = std::max(begin - first, std::int64_t{0}) * kBoundsBlock;
    const std::int64_t to = std::min(std::max(end - first, std::int64_t{0}) * kBoundsBlock, rows);
    if (from < to) shard.push_back({place, from, to});
    first += blocks_of(rows);
  }
  return shard;
}

Searcher::Searcher(const Index& index, const ProcessGroup& group, at::Device device)
    : index_(index), group_(group), device_(device) {
  for (const PartRows& rows : shard_of(index, group.rank(), group.size())) {
    const Segment& segment = index.parts()[rows.part]->segment;
    shares_.push_back({rows, moved(segment.similarity(rows.begin, rows.end), device), {}});
  }
  restrict_to({});
}

void Searcher::restrict_to(const std::vector<Condition>& conditions) {
  for (Share& share : shares_) {
    share.mask = at::Tensor();
    if (conditions.empty() && index_.parts()[share.rows.part]->alive.all()) continue;
    const auto words = index_.matching(share.rows.part, conditions);
    const std::int64_t first = share.rows.begin / 64;
    const std::int64_t count = (share.rows.end - share.rows.begin + 63) / 64;
    const at::Tensor mask = at::empty({count}, at::kLong);
    std::memcpy(mask.mutable_data_ptr(), words.data() + first, mask.nbytes());
    share.mask = mask.to(device_);
  }
}

kernels::SimilarityResult Searcher::search_share(const Share& share, const at::Tensor& queries,
                                                 const kernels::SimilarityOptions& options,
                                                 const std::vector<std::int64_t>& exclude) const {
  kernels::SimilarityFilter filter{share.mask, {}};
  const std::int64_t first = index_.parts()[share.rows.part]->first + share.rows.begin;
  const std::int64_t rows = share.rows.end - share.rows.begin;
  if (!exclude.empty()) {
    const at::Tensor own = at::empty({queries.size(0)}, at::kLong);
    std::transform(exclude.begin(), exclude.end(), own.mutable_data_ptr<std::int64_t>(),
                   [&](std::int64_t row) {
                     return row >= first && row < first + rows ? row - first : std::int64_t{-1};
                   });
    filter.exclude = own.to(device_);
  }
  auto found = kernels::similarity_topk(queries, share.similarity, options, filter);
  found = {found.scores.cpu(), found.ids.cpu(), found.certain.cpu(), found.bound.cpu()};
  shift_ids(found.ids, first);
  return found;
}

kernels::SimilarityResult Searcher::search(const at::Tensor& queries,
                                           const kernels::SimilarityOptions& options,
                                           const std::vector<std::int64_t>& exclude) const {
  TORCH_CHECK(exclude.empty() || static_cast<std::int64_t>(exclude.size()) == queries.size(0),
              "similar: ", exclude.size(), " excluded rows for ", queries.size(0), " queries.");
  const at::Tensor there = queries.to(device_);
  std::vector<kernels::SimilarityResult> found;
  for (const Share& share : shares_) found.push_back(search_share(share, there, options, exclude));
  if (found.empty()) found.push_back(nothing_found(queries.size(0), options.k));
  if (group_.size() > 1) found = gather_results(group_, merge_all(found, options.k), device_);
  return merge_all(found, options.k);
}

void Searcher::verify() const {
  for (const Share& share : shares_) {
    index_.parts()[share.rows.part]->segment.verify(share.rows.begin, share.rows.end);
  }
}

}  // namespace salus::similar
