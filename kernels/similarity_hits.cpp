#include "kernels/similarity_hits.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/similarity_values.h"

namespace salus::kernels {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

/// A list is thinned out when it has doubled: by then its floor is out of date.
constexpr int kSpare = 16;

bool hit_before(const Hit& a, const Hit& b) {
  return similarity_before(a.lower, a.id, b.lower, b.id);
}

}  // namespace

int hit_capacity(const SimilarityProblem& problem) {
  return std::max(problem.candidates, problem.k + problem.k / 2) + 2 * kSpare;
}

int drop_below_floor(Hit* hits, int count, int k, float& floor, float* scratch) {
  if (count < k) return count;
  for (int i = 0; i < count; ++i) scratch[i] = hits[i].lower;
  if (k == 1) {
    floor = std::max(floor, *std::max_element(scratch, scratch + count));
  } else {
    std::nth_element(scratch, scratch + k - 1, scratch + count, std::greater<float>());
    floor = std::max(floor, scratch[k - 1]);
  }
  const float least = floor;
  return static_cast<int>(
      std::remove_if(hits, hits + count, [=](const Hit& hit) { return hit.upper < least; }) - hits);
}

HitSink::HitSink(const SimilarityProblem& problem, const QueryPlan* plans,
                 const ChunkBounds& bounds, int queries, int padded, const HitMemory& memory)
    : problem_(problem),
      plans_(plans),
      chunk_(bounds),
      padded_(padded),
      capacity_(hit_capacity(problem)),
      filtered_(problem.mask_stride > 0 || problem.exclude != nullptr),
      memory_(memory) {
  constexpr float kClosed = std::numeric_limits<float>::quiet_NaN();
  const int limit = std::min(capacity_, 2 * problem.k + kSpare);
  for (int q = 0; q < queries; ++q) {
    memory_.states[q] = {0, limit, kNothing, kNothing, plans[q].scale, plans[q].shift};
  }
  for (int q = 0; q < padded_; ++q) {
    memory_.floors[q] = q < queries && plans[q].takes_part ? kNothing : kClosed;
  }
}

void HitSink::begin_block(std::int64_t first) {
  first_ = first;
  block_thresholds(chunk_, problem_.rows.bounds[first / kSimilarityBlock], memory_.floors, padded_,
                   memory_.errors, memory_.thresholds);
}

void HitSink::make_room(int query) {
  HitState& state = memory_.states[query];
  Hit* hits = memory_.hits + std::int64_t{query} * capacity_;
  state.count = drop_below_floor(hits, state.count, problem_.k, state.floor, memory_.scratch);
  // Where many rows lie within the error of the k-th, making room again and again would cost more
  // than their scores.
  if (state.count > capacity_ - capacity_ / 4) {
    problem_.exact ? make_room_exactly(query) : make_room_by_dropping(query);
  }
  state.limit = std::min(capacity_, 2 * state.count + kSpare);
  set_threshold(query);
}

void HitSink::make_room_exactly(int query) {
  HitState& state = memory_.states[query];
  Hit* hits = memory_.hits + std::int64_t{query} * capacity_;
  state.count = score_hits(problem_.rows, plans_[query], hits, state.count);
  if (state.count < problem_.k) return;
  std::nth_element(hits, hits + problem_.k - 1, hits + state.count, hit_before);
  state.floor = std::max(state.floor, hits[problem_.k - 1].lower);
  state.count = problem_.k;
}

void HitSink::make_room_by_dropping(int query) {
  HitState& state = memory_.states[query];
  Hit* hits = memory_.hits + std::int64_t{query} * capacity_;
  const int kept = std::max(capacity_ / 2, problem_.k);
  const auto higher = [](const Hit& a, const Hit& b) { return a.upper > b.upper; };
  std::nth_element(hits, hits + kept, hits + state.count, higher);
  state.dropped = std::max(state.dropped, hits[kept].upper);
  state.count = kept;
}

}  // namespace salus::kernels
