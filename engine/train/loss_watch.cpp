#include "engine/train/loss_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/io/error.h"

namespace salus::train {

LossWatch::LossWatch(const at::Device& device, std::function<std::string(std::int64_t)> name_of)
    : name_of_(std::move(name_of)),
      most_(device.is_cuda() ? 32 : 1),
      sums_(at::zeros({2}, at::TensorOptions(at::kDouble).device(device))) {}

void LossWatch::add(const at::Tensor& loss, const std::vector<std::int64_t>& positions,
                    std::int64_t epoch, std::int64_t batch) {
  at::NoGradGuard guard;
  const auto value = loss.detach();
  const auto count = static_cast<double>(positions.size());
  sums_[0].add_(value, count);
  sums_[1].add_(count);
  pending_.push_back({value, positions, epoch, batch});
  if (pending_.size() >= most_) check();
}

void LossWatch::check() {
  if (pending_.empty()) return;
  std::vector<at::Tensor> losses;
  for (const Entry& entry : pending_) losses.push_back(entry.loss.reshape({}));
  const auto values = at::stack(losses).to(at::kDouble).cpu();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const double value = values.const_data_ptr<double>()[i];
    if (std::isfinite(value)) continue;
    const Entry bad = pending_[i];
    std::vector<std::string> samples;
    for (const auto position : bad.positions) {
      samples.push_back(fmt::format("{} ({})", position, name_of_(position)));
    }
    throw Error(fmt::format(
        "The loss became {} in epoch {}, batch {}. The samples of that batch, by their positions "
        "in "
        "the training part: {}. Look at their inputs and targets. If they are sound, lower the "
        "learning rate, set train.clip_norm, or train in fp32. The last checkpoint is from before.",
        std::isnan(value) ? "NaN" : "infinite", bad.epoch + 1, bad.batch + 1,
        fmt::join(samples, ", ")));
  }
  pending_.clear();
}

double LossWatch::mean() const {
  const auto sums = sums_.cpu();
  const double* values = sums.const_data_ptr<double>();
  return values[1] > 0 ? values[0] / values[1] : std::nan("");
}

void LossWatch::reset() {
  sums_.zero_();
  pending_.clear();
}

}  // namespace salus::train
