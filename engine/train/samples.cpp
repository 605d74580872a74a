#include "engine/train/samples.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <omp.h>
#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "engine/data/loader.h"
#include "engine/train/precision.h"

namespace salus::train {
namespace {

constexpr double kCacheShare = 0.4;  ///< of free device memory; the rest is for activations
constexpr std::int64_t kCopyCases = 1024;

/// Which draw of its case each place of the order is: position + size x (times seen before).
std::vector<std::int64_t> draw_numbers(const std::vector<std::int64_t>& order, std::int64_t size) {
  std::unordered_map<std::int64_t, std::int64_t> seen;
  std::vector<std::int64_t> draws;
  draws.reserve(order.size());
  for (const auto position : order) draws.push_back(position + size * seen[position]++);
  return draws;
}

bool alike(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

void augment(Batch& batch, const std::vector<std::int64_t>& draws, const Augmentation& how) {
  const auto found = batch.inputs.find("image");
  if (found == batch.inputs.end()) return;
  at::Tensor& image = found->second;
  kernels::AugmentSpec spec = how.spec;
  spec.mean = how.mean[0];
  spec.stddev = how.stddev[0];
  const auto vary = [&](const at::Tensor& images) {
    return kernels::image_augment(images, at::tensor(draws, at::kLong), how.epoch, how.seed, spec);
  };
  if (alike(how.mean) && alike(how.stddev)) {
    image = vary(image);
    return;
  }
  // The operator takes one mean for all channels: each is brought to that of the first and back.
  const auto column = [&](const std::vector<double>& values) {
    return at::tensor(values, image.options()).view({1, -1, 1, 1});
  };
  const at::Tensor gain = column(how.stddev).div(spec.stddev);
  const at::Tensor shift = column(how.mean).sub(spec.mean).div(spec.stddev);
  image = vary(image.mul(gain).add(shift)).sub(shift).div(gain);
}

/// Makes operators on this thread run on it alone. A second team of OpenMP threads would leave more
/// threads than processors, and libgomp then lets the training step's own team sleep at every
/// barrier instead of spinning.
void work_alone() {
  thread_local const bool once = [] {
    at::get_num_threads();  // ATen sets a thread's number at its first question
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(once);
}

/// The cases of one epoch in their order, varied: what the loader's thread loads from.
class EpochView : public data::Dataset {
 public:
  EpochView(const data::Dataset& base, std::vector<std::int64_t> order,
            std::vector<std::int64_t> draws, const Augmentation* augmentation, bool channels_last,
            bool alone)
      : base_(base),
        order_(std::move(order)),
        draws_(std::move(draws)),
        channels_last_(channels_last),
        alone_(alone) {
    if (augmentation) augmentation_ = *augmentation;
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(order_.size()); }
  const data::CaseInfo& info(std::int64_t i) const override { return base_.info(order_.at(i)); }
  std::int64_t steps(std::int64_t i) const override { return base_.steps(order_.at(i)); }
  std::uint64_t content_hash(std::int64_t i) const override {
    return base_.content_hash(order_.at(i));
  }
  Batch load(at::IntArrayRef indices) const override {
    if (alone_) work_alone();  // called by the loader's thread only
    std::vector<std::int64_t> positions, draws;
    for (const auto i : indices) {
      positions.push_back(order_.at(i));
      draws.push_back(draws_.at(i));
    }
    Batch batch = base_.load(positions);
    if (augmentation_) augment(batch, draws, *augmentation_);
    return to_device(batch, at::kCPU, channels_last_);  // the layout, while nobody waits for it
  }
  std::int64_t position(std::int64_t i) const { return order_.at(i); }

 private:
  const data::Dataset& base_;
  std::vector<std::int64_t> order_, draws_;
  bool channels_last_;
  bool alone_;  ///< the training step needs the processors too
  std::optional<Augmentation> augmentation_;
};

std::vector<std::int64_t> counting(std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> numbers(std::max<std::int64_t>(0, end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::int64_t bytes_of(const Batch& batch) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : batch.inputs)
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace

/// Loads ahead in a thread; on a GPU the copy runs while the step before is computed.
class Samples::HostStream : public BatchStream {
 public:
  HostStream(const Samples& samples, EpochView view, std::int64_t first, std::int64_t batch_size,
             const Augmentation* on_device, std::vector<std::int64_t> draws)
      : samples_(samples),
        view_(std::move(view)),
        draws_(std::move(draws)),
        done_(first),
        loader_(view_, counting(first, view_.size()), batch_size, /*drop_last=*/false,
                /*ahead=*/2, /*pin=*/samples.device_.is_cuda()) {
    if (on_device) on_device_ = *on_device;
  }

  bool next(SampleBatch& out) override {
    data::Loader::Item item;
    if (!loader_.next(item)) return false;
    out.batch = to_device(item.batch, samples_.device_, samples_.channels_last_);
    out.positions.clear();
    for (const auto i : item.positions) out.positions.push_back(view_.position(i));
    const auto count = static_cast<std::int64_t>(out.positions.size());
    if (on_device_) {
      augment(out.batch, {draws_.begin() + done_, draws_.begin() + done_ + count}, *on_device_);
    }
    done_ += count;
    return true;
  }

 private:
  const Samples& samples_;
  EpochView view_;
  std::vector<std::int64_t> draws_;
  std::optional<Augmentation> on_device_;
  std::int64_t done_;
  data::Loader loader_;
};

struct Samples::DeviceCache {
  std::map<std::string, at::Tensor> inputs;
  at::Tensor target;
  std::unordered_map<std::int64_t, std::int64_t> row;  ///< of a position

  DeviceCache(const Subset& subset, const at::Device& device) {
    for (std::int64_t begin = 0; begin < subset.size(); begin += kCopyCases) {
      const auto end = std::min(begin + kCopyCases, subset.size());
      const std::vector<std::int64_t> part(subset.positions.begin() + begin,
                                           subset.positions.begin() + end);
      const Batch batch = subset.dataset->load(part);
      for (const auto& [name, tensor] : batch.inputs) {
        at::Tensor& whole = inputs[name];
        if (!whole.defined()) {
          auto shape = tensor.sizes().vec();
          shape[0] = subset.size();
          whole = at::empty(shape, tensor.options().device(device));
        }
        whole.slice(0, begin, end).copy_(tensor);
      }
      if (!target.defined()) {
        auto shape = batch.target.sizes().vec();
        shape[0] = subset.size();
        target = at::empty(shape, batch.target.options().device(device));
      }
      target.slice(0, begin, end).copy_(batch.target);
    }
    for (std::int64_t i = 0; i < subset.size(); ++i) row[subset.positions[i]] = i;
  }
};

class Samples::DeviceStream : public BatchStream {
 public:
  DeviceStream(const Samples& samples, std::vector<std::int64_t> order,
               std::vector<std::int64_t> draws, std::int64_t first, std::int64_t batch_size,
               const Augmentation* augmentation)
      : samples_(samples),
        order_(std::move(order)),
        draws_(std::move(draws)),
        done_(first),
        batch_size_(batch_size) {
    if (augmentation) augmentation_ = *augmentation;
    std::vector<std::int64_t> rows;
    for (const auto position : order_) rows.push_back(samples.cache_->row.at(position));
    rows_ = at::tensor(rows, at::kLong).to(samples.device_);
  }

  bool next(SampleBatch& out) override {
    const auto total = static_cast<std::int64_t>(order_.size());
    if (done_ >= total) return false;
    const auto end = std::min(done_ + batch_size_, total);
    const auto rows = rows_.slice(0, done_, end);
    out.positions.assign(order_.begin() + done_, order_.begin() + end);
    out.batch = {};
    const auto& dataset = *samples_.subset_.dataset;
    for (const auto position : out.positions) out.batch.ids.push_back(dataset.info(position).id);
    for (const auto& [name, tensor] : samples_.cache_->inputs) {
      out.batch.inputs[name] = tensor.index_select(0, rows);
    }
    out.batch.target = samples_.cache_->target.index_select(0, rows);
    if (augmentation_) {
      augment(out.batch, {draws_.begin() + done_, draws_.begin() + end}, *augmentation_);
    }
    out.batch = to_device(out.batch, samples_.device_, samples_.channels_last_);
    done_ = end;
    return true;
  }

 private:
  const Samples& samples_;
  std::vector<std::int64_t> order_, draws_;
  std::int64_t done_, batch_size_;
  std::optional<Augmentation> augmentation_;
  at::Tensor rows_;
};

Samples::Samples(Subset subset, const at::Device& device, bool channels_last)
    : subset_(std::move(subset)), device_(device), channels_last_(channels_last) {
  TORCH_CHECK(!subset_.positions.empty(), "a subset must have cases");
  if (!device_.is_cuda()) return;
  const auto each = bytes_of(subset_.dataset->load({subset_.positions.front()}));
  const auto index = device_.has_index() ? device_.index() : c10::DeviceIndex{0};
  const auto free = c10::getDeviceAllocator(at::kCUDA)->getMemoryInfo(index).first;
  if (static_cast<double>(each * subset_.size()) < kCacheShare * static_cast<double>(free)) {
    cache_ = std::make_unique<DeviceCache>(subset_, device_);
  }
}

Samples::~Samples() = default;

std::unique_ptr<BatchStream> Samples::stream(std::vector<std::int64_t> order, std::int64_t first,
                                             std::int64_t batch_size,
                                             const Augmentation* augmentation) const {
  auto draws = draw_numbers(order, subset_.dataset->size());
  if (cache_) {
    return std::make_unique<DeviceStream>(*this, std::move(order), std::move(draws), first,
                                          batch_size, augmentation);
  }
  const bool there = device_.is_cuda();
  EpochView view(*subset_.dataset, std::move(order), draws, there ? nullptr : augmentation,
                 channels_last_, /*alone=*/!there);
  return std::make_unique<HostStream>(*this, std::move(view), first, batch_size,
                                      there ? augmentation : nullptr, std::move(draws));
}

void keep_few(Subset& subset, std::int64_t count) {
  data::Sampler sampler{data::Sampler::Kind::kBalanced, 0};
  auto order = sampler.epoch(*subset.dataset, subset.positions, 0);
  std::vector<std::int64_t> few;
  for (const auto position : order) {
    if (static_cast<std::int64_t>(few.size()) == count) break;
    if (std::find(few.begin(), few.end(), position) == few.end()) few.push_back(position);
  }
  subset.positions = std::move(few);
}

std::function<bool(Batch& batch)> all_batches(const Samples& samples, std::int64_t batch_size) {
  std::shared_ptr<BatchStream> stream;
  return [&samples, batch_size, stream](Batch& batch) mutable {
    if (!stream) stream = samples.stream(samples.subset().positions, 0, batch_size, nullptr);
    SampleBatch item;
    if (!stream->next(item)) return false;
    batch = std::move(item.batch);
    return true;
  };
}

}  // namespace salus::train
