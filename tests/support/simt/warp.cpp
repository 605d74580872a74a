#include "tests/support/simt/warp.h"

#include <string>

#include "tests/support/simt/cuda_builtins.h"
#include "tests/support/simt/scheduler.h"

namespace simt {
namespace {

Scheduler& scheduler() {
  if (Scheduler::current() == nullptr) {
    throw Failure("A CUDA function was called outside of a launch.");
  }
  return *Scheduler::current();
}

bool named(unsigned mask, int lane) { return lane >= 0 && lane < 32 && (mask >> lane & 1) != 0; }

LaneValue& value_of(void* const lanes[32], int lane) {
  return *static_cast<LaneValue*>(lanes[lane]);
}

/// Gives each lane the value of lane source(lane, its payload).
template <typename Source>
void shuffle_from(void* const lanes[32], unsigned mask, Source source) {
  for (int lane = 0; lane < 32; ++lane) {
    if (!named(mask, lane)) continue;
    LaneValue& to = value_of(lanes, lane);
    if (to.width < 1 || to.width > 32 || (to.width & (to.width - 1)) != 0) {
      scheduler().fail("A shuffle's width is a power of two up to 32, not " +
                       std::to_string(to.width) + ".");
    }
    const int from = source(lane, to);
    if (!named(mask, from)) {
      scheduler().fail("Wrong mask: lane " + std::to_string(lane) + " shuffles from lane " +
                       std::to_string(from) + ", which is not in the mask.");
    }
    to.result = value_of(lanes, from).value;
  }
}

}  // namespace

void combine_shuffle_index(void* const lanes[32], unsigned mask) {
  shuffle_from(lanes, mask, [](int lane, const LaneValue& to) {
    return (lane & ~(to.width - 1)) + (to.argument & (to.width - 1));
  });
}

void combine_shuffle_up(void* const lanes[32], unsigned mask) {
  shuffle_from(lanes, mask, [](int lane, const LaneValue& to) {
    const int from = lane - to.argument;
    return from < (lane & ~(to.width - 1)) ? lane : from;
  });
}

void combine_shuffle_down(void* const lanes[32], unsigned mask) {
  shuffle_from(lanes, mask, [](int lane, const LaneValue& to) {
    const int from = lane + to.argument;
    return from > (lane | (to.width - 1)) ? lane : from;
  });
}

void combine_shuffle_xor(void* const lanes[32], unsigned mask) {
  // A lane of an earlier segment may be read, one of a later segment may not (PTX, shfl.bfly).
  shuffle_from(lanes, mask, [](int lane, const LaneValue& to) {
    const int from = lane ^ to.argument;
    return from > (lane | (to.width - 1)) ? lane : from;
  });
}

void combine_ballot(void* const lanes[32], unsigned mask) {
  std::uint64_t votes = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (named(mask, lane) && value_of(lanes, lane).value != 0) votes |= std::uint64_t{1} << lane;
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (named(mask, lane)) value_of(lanes, lane).result = votes;
  }
}

void combine_match_any(void* const lanes[32], unsigned mask) {
  for (int lane = 0; lane < 32; ++lane) {
    if (!named(mask, lane)) continue;
    LaneValue& own = value_of(lanes, lane);
    own.result = 0;
    for (int other = 0; other < 32; ++other) {
      if (named(mask, other) && value_of(lanes, other).value == own.value) {
        own.result |= std::uint64_t{1} << other;
      }
    }
  }
}

void combine_match_all(void* const lanes[32], unsigned mask) {
  combine_match_any(lanes, mask);
  for (int lane = 0; lane < 32; ++lane) {
    if (!named(mask, lane)) continue;
    LaneValue& own = value_of(lanes, lane);
    own.all = own.result == mask;
    if (!own.all) own.result = 0;
  }
}

void collective(const char* name, Combine combine, unsigned mask, void* payload, const char* file,
                int line, bool orders_memory) {
  const EmulatorScope scope(scheduler().running());
  scheduler().collective(name, combine, mask, payload, {file, line}, orders_memory);
}

}  // namespace simt
