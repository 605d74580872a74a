#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/data/dataset.h"
#include "kernels/image_augment.h"

namespace salus::train {

/// Cases of a dataset that belong together (the training part, the validation part).
struct Subset {
  const data::Dataset* dataset = nullptr;
  std::vector<std::int64_t> positions;

  std::int64_t size() const { return static_cast<std::int64_t>(positions.size()); }
};

/// Keeps the first `count` positions when one of each class is taken in turn, so that a batch of a trial
/// run has all of them.
void keep_few(Subset& subset, std::int64_t count);

/// A batch on the training device.
struct SampleBatch {
  Batch batch;
  std::vector<std::int64_t> positions;  ///< in the dataset
};

class BatchStream {
 public:
  virtual ~BatchStream() = default;
  /// False at the end. \throws what the dataset threw.
  virtual bool next(SampleBatch& out) = 0;
};

/// How a stream's images are varied; see kernels/image_augment.h.
struct Augmentation {
  kernels::AugmentSpec spec;  ///< its mean and stddev are not used
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::vector<double> mean = {0}, stddev = {1};  ///< of the normalised images, one for each channel
};

/// Feeds a subset to the training device. On a GPU the whole subset is kept in its memory if it
/// takes at most 40 % of what is free; else batches are loaded ahead into pinned memory by a
/// thread, which on the CPU augments them too.
class Samples {
 public:
  Samples(Subset subset, const at::Device& device, bool channels_last);
  ~Samples();

  /// \param order      positions in the dataset, in the order of use; may repeat.
  /// \param first      how many of them to leave out (a resumed epoch).
  /// \param augmentation  null = as they are. A case drawn twice in one order is varied
  /// differently.
  std::unique_ptr<BatchStream> stream(std::vector<std::int64_t> order, std::int64_t first,
                                      std::int64_t batch_size,
                                      const Augmentation* augmentation) const;

  const Subset& subset() const { return subset_; }
  bool cached_on_device() const { return cache_ != nullptr; }

 private:
  struct DeviceCache;
  class HostStream;
  class DeviceStream;
  Subset subset_;
  at::Device device_;
  bool channels_last_;
  std::unique_ptr<DeviceCache> cache_;
};

/// Every batch of the subset in its order, one after the other: false after the last. `samples` outlives it.
std::function<bool(Batch& batch)> all_batches(const Samples& samples, std::int64_t batch_size);

}  // namespace salus::train
