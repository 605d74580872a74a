#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace simt {

class Array;

/// Puts the accesses of single threads together to what a warp asks the memory for: the n-th access
/// of each lane from one place of the code is one request; in shared memory, one for every 128
/// bytes (16 bytes by each of 8 lanes, as the hardware serves them). (Lanes that take a loop's
/// turns at other times are put together wrongly: then the counts are an estimate.)
class WarpRequests {
 public:
  void note(unsigned thread, const void* place, Array& array, std::uintptr_t address,
            std::size_t bytes);

  /// Adds the transactions of the block's requests to the arrays' traffic, and starts anew.
  void finish_block();

 private:
  // warp, part of it, place, turn, array
  using Key = std::tuple<unsigned, unsigned, const void*, unsigned, Array*>;
  using Pieces = std::vector<std::pair<std::uintptr_t, std::size_t>>;

  std::map<std::pair<unsigned, const void*>, unsigned> turns_;
  std::map<Key, Pieces> requests_;
};

}  // namespace simt
