#pragma once

#include <cstdint>

#include "kernels/similarity_problem.h"

// The candidates of one thread: for each query of a chunk a list, and the threshold that a row must
// reach to come into it.

namespace salus::kernels {

/// A row that may belong to the k best. Both bounds hold for its float32 score; once that is known
/// they are equal to it (before, they never are: similarity_error() is far above rounding).
struct Hit {
  float lower;
  float upper;
  std::int64_t id;

  bool scored() const { return lower == upper; }
};

/// What a query is to the candidates: score = (V - shift) * scale.
struct QueryPlan {
  const float* values = nullptr;
  float norm = 0;  ///< in the documented order
  bool takes_part = false;
  float scale = 1;  ///< kCosine: 1 / norm
  float shift = 0;  ///< kL2: squares(q)
  SimilarityQueryBounds bounds;
  const std::uint64_t* mask = nullptr;  ///< of this query alone
  std::int64_t exclude = -1;
};

/// The error bounds of a chunk of queries, one array each: SimilarityQueryBounds transposed.
struct ChunkBounds {
  float* product = nullptr;
  float* rounding = nullptr;
  float* constant = nullptr;
  float square = 0;
  float tiny = 0;
};

/// The list of one query.
struct HitState {
  int count = 0;
  int limit = 0;      ///< length at which room is made
  float floor = 0;    ///< at least k rows score this or more
  float dropped = 0;  ///< upper bound of what had to be left out for want of room; -inf: nothing
  float scale = 1;
  float shift = 0;
};

/// Working memory of the candidates of one thread; the arrays per query are padded to whole tiles.
struct HitMemory {
  Hit* hits = nullptr;          ///< [queries, capacity]
  HitState* states = nullptr;   ///< [queries]
  float* floors = nullptr;      ///< [queries]: what a list's floor is in V; NaN lets nothing in
  float* errors = nullptr;      ///< [queries]: similarity_error() in the block at hand
  float* thresholds = nullptr;  ///< [queries]: floor less error
  float* scratch = nullptr;     ///< [capacity]
};

class HitSink {
 public:
  /// \param queries  of the chunk; `padded` rounds them up to whole tiles
  HitSink(const SimilarityProblem& problem, const QueryPlan* plans, const ChunkBounds& bounds,
          int queries, int padded, const HitMemory& memory);

  /// Sets errors and thresholds for the rows of one block, from `first` on.
  void begin_block(std::int64_t first);

  const float* thresholds() const { return memory_.thresholds; }

  /// Row `first + row` reached the threshold of `query` with the selection value `value`.
  void take(int query, int row, float value) {
    const std::int64_t id = first_ + row;
    if (filtered_ && !allowed(query, id)) return;
    HitState& state = memory_.states[query];
    const float error = memory_.errors[query];
    const Hit hit = {(value - error - state.shift) * state.scale,
                     (value + error - state.shift) * state.scale, id};
    memory_.hits[std::int64_t{query} * capacity_ + state.count++] = hit;
    if (problem_.k == 1 && hit.lower > state.floor) {
      state.floor = hit.lower;
      set_threshold(query);
    }
    if (state.count >= state.limit) make_room(query);
  }

 private:
  bool allowed(int query, std::int64_t id) const {
    const QueryPlan& plan = plans_[query];
    return id != plan.exclude && (plan.mask == nullptr || (plan.mask[id / 64] >> (id % 64) & 1));
  }
  /// By the floor, and by what was dropped: that has spoilt the certificate up to there, so that rows
  /// below add nothing.
  void set_threshold(int query) {
    const HitState& state = memory_.states[query];
    const float least = state.floor > state.dropped ? state.floor : state.dropped;
    memory_.floors[query] = least / state.scale + state.shift;
    memory_.thresholds[query] = memory_.floors[query] - memory_.errors[query];
  }
  void make_room(int query);
  void make_room_exactly(int query);
  void make_room_by_dropping(int query);

  const SimilarityProblem& problem_;
  const QueryPlan* plans_;
  const ChunkBounds& chunk_;
  int padded_, capacity_;
  bool filtered_;
  HitMemory memory_;
  std::int64_t first_ = 0;
};

/// Room of a list: the candidates asked for, and enough above k that making room is seldom needed.
int hit_capacity(const SimilarityProblem& problem);

/// Raises `floor` to the k-th largest lower bound and drops the hits below it; returns how many are
/// left, in their old order.
int drop_below_floor(Hit* hits, int count, int k, float& floor, float* scratch);

}  // namespace salus::kernels
