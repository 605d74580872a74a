#include "engine/train/samples.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "kernels/image_augment.h"

namespace salus::train {
namespace {

/// Colour images, normalised channel by channel.
class ColourImages : public data::Dataset {
 public:
  ColourImages() : infos_(4) {
    torch::manual_seed(3);
    plain_ = torch::rand({4, 3, 16, 16});
    normalised_ = (plain_ - mean_.view({3, 1, 1})) / stddev_.view({3, 1, 1});
  }
  std::int64_t size() const override { return 4; }
  const data::CaseInfo& info(std::int64_t i) const override { return infos_.at(i); }
  std::uint64_t content_hash(std::int64_t i) const override { return i; }
  Batch load(at::IntArrayRef indices) const override {
    Batch batch;
    batch.inputs["image"] = normalised_.index_select(0, torch::tensor(indices, torch::kLong));
    return batch;
  }
  const at::Tensor& plain() const { return plain_; }
  at::Tensor without_normalisation(const at::Tensor& images) const {
    return images * stddev_.view({3, 1, 1}) + mean_.view({3, 1, 1});
  }

 private:
  at::Tensor mean_ = torch::tensor({0.485, 0.456, 0.2}, torch::kFloat);
  at::Tensor stddev_ = torch::tensor({0.229, 0.5, 0.1}, torch::kFloat);
  at::Tensor plain_, normalised_;
  std::vector<data::CaseInfo> infos_;
};

// A filled corner, gamma and gain are of the image's own values, in each channel.
TEST(SamplesTest, EveryChannelIsVariedByItsOwnMeanAndDeviation) {
  const ColourImages data;
  const Samples samples({&data, {0, 1, 2, 3}}, at::kCPU, /*channels_last=*/true);
  Augmentation how;
  how.spec.rotate = 40;
  how.spec.gain_low = 0.7;
  how.spec.gain_high = 1.3;
  how.spec.gamma_low = 0.5;
  how.spec.fill = 0.25;
  how.seed = 9;
  how.epoch = 2;
  how.mean = {0.485, 0.456, 0.2};
  how.stddev = {0.229, 0.5, 0.1};
  SampleBatch item;
  ASSERT_TRUE(samples.stream({0, 1, 2, 3}, 0, 4, &how)->next(item));
  const at::Tensor expected =
      kernels::image_augment(data.plain(), torch::arange(4), how.epoch, how.seed, how.spec);
  const at::Tensor varied = data.without_normalisation(item.batch.inputs.at("image"));
  EXPECT_LT((varied - expected).abs().max().item<float>(), 1e-5);
  EXPECT_GT((varied - data.plain()).abs().max().item<float>(), 0.1);
}

}  // namespace
}  // namespace salus::train
