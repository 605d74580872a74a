#include "tests/support/simt/requests.h"

#include <algorithm>
#include <array>
#include <set>

#include "tests/support/simt/memory.h"

namespace simt {
namespace {

/// The distinct units of `size` bytes that the pieces touch.
std::set<std::uintptr_t> units(const std::vector<std::pair<std::uintptr_t, std::size_t>>& pieces,
                               std::size_t size) {
  std::set<std::uintptr_t> found;
  for (const auto& [address, bytes] : pieces) {
    for (std::uintptr_t unit = address / size; unit <= (address + bytes - 1) / size; ++unit) {
      found.insert(unit);
    }
  }
  return found;
}

std::uint64_t quotient_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

}  // namespace

void WarpRequests::note(unsigned thread, const void* place, Array& array, std::uintptr_t address,
                        std::size_t bytes) {
  const unsigned turn = turns_[{thread, place}]++;
  const auto part = static_cast<unsigned>(thread % 32 * bytes / 128);
  const unsigned served = array.space() == Space::kShared ? part : 0;
  requests_[{thread / 32, served, place, turn, &array}].emplace_back(address, bytes);
}

void WarpRequests::finish_block() {
  constexpr std::size_t kSector = 32;  // bytes that the caches move at least
  constexpr std::size_t kBanks = 32;   // of one 4-byte word each, per pass of shared memory
  for (const auto& [key, pieces] : requests_) {
    Array& array = *std::get<Array*>(key);
    Traffic& traffic = array.traffic();
    if (array.space() == Space::kGlobal) {
      traffic.transactions += units(pieces, kSector).size();
      traffic.fewest_transactions += quotient_up(units(pieces, 1).size(), kSector);
      continue;
    }
    const std::set<std::uintptr_t> words = units(pieces, 4);
    std::array<std::uint64_t, kBanks> per_bank{};
    for (const std::uintptr_t word : words) ++per_bank[word % kBanks];
    traffic.transactions += *std::max_element(per_bank.begin(), per_bank.end());
    traffic.fewest_transactions += quotient_up(words.size(), kBanks);
  }
  requests_.clear();
  turns_.clear();
}

}  // namespace simt
