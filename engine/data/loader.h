#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/data/dataset.h"

namespace salus::data {

/// Order in which cases are drawn. A function of (seed, epoch) only, so that a resumed run draws
/// what a run that was never stopped draws.
struct Sampler {
  enum class Kind { kSequential, kShuffle, kBalanced, kWeighted } kind = Kind::kShuffle;
  std::uint64_t seed = 0;
  /// Batch size for batches of cases of like Dataset::steps(); 0 = batches as drawn. Cases are sorted
  /// within every 32 batches, and the batches drawn in random order.
  std::int64_t bucket = 0;
  /// kWeighted: how often a case of each class is drawn, against the others; [negative, positive] or
  /// [L]. All above 0.
  std::vector<double> weights = {};

  /// Positions of one epoch out of `pool`. kBalanced and kWeighted draw with replacement: each class as
  /// often, or each case by the weight of its class. Of several labels the class is the first one that
  /// is positive (or none, which kWeighted gives 1); cases without any known label are not drawn.
  std::vector<std::int64_t> epoch(const Dataset& dataset, const std::vector<std::int64_t>& pool,
                                  std::int64_t epoch) const;
};

/// Batches of a dataset in a given order, loaded ahead by a background thread (pinned memory when
/// `pin` is set). Positions of each batch come with it.
class Loader {
 public:
  struct Item {
    Batch batch;
    std::vector<std::int64_t> positions;
  };
  Loader(const Dataset& dataset, std::vector<std::int64_t> order, std::int64_t batch_size,
         bool drop_last, int ahead = 2, bool pin = false);
  ~Loader();
  std::int64_t batches() const;
  /// False at the end. \throws what the dataset threw while loading this batch.
  bool next(Item& item);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::data
