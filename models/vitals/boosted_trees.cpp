#include "models/vitals/boosted_trees.h"

#include <limits>
#include <tuple>

#include "engine/core/estimator.h"
#include "engine/core/model.h"
#include "engine/io/error.h"
#include "models/options.h"
#include "models/tabular/boosting.h"
#include "models/vitals/trees_step.h"

namespace salus::models {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kBeyond = std::numeric_limits<double>::infinity();

/// Features are what is known, 0 where it is missing and infinite beyond the end of a stay.
class BoostedTrees : public Model, public Estimator {
 public:
  explicit BoostedTrees(const ModelSpec& spec)
      : known_(KnownFeatures::of_spec(spec)),
        options_(spec),
        forest_(register_module("forest",
                                Forest(spec.outputs, options_.n_estimators, options_.max_depth))) {
    if (known_.width() == 0) {
      throw UsageError(
          "Boosted trees of vital signs need something to look at: set the model's "
          "option recent to a number of bins, or summary to 1.");
    }
  }

  at::Tensor embed(const Batch& batch) override {
    Stays stays = stays_of(batch, known_.statics, /*training=*/true);
    at::Tensor known = known_.of(stays);
    if (!known_.per_step) return known;
    stays.length = stays.length.clamp_min(1);  // a stay without steps is scored by its statics
    const at::Tensor beyond = within(stays).logical_not().unsqueeze(-1);
    const auto left_out = batch.inputs.at("values").size(1) - known.size(1);
    return at::constant_pad_nd(known.masked_fill(beyond, kBeyond), {0, 0, 0, left_out}, kBeyond);
  }

  at::Tensor classify(const at::Tensor& features) override {
    const at::Tensor rows = features.detach().to(at::kFloat).flatten(0, -2);
    auto shape = features.sizes().vec();
    shape.back() = forest_->outputs();
    const at::Tensor within = rows.select(1, 0).isinf().logical_not();
    const at::Tensor found = forest_->forward(with_missing(rows.index({within})));
    at::Tensor logits = at::zeros({rows.size(0), forest_->outputs()}, rows.options());
    logits = logits.index_put_({within}, found).view(shape);
    return features.requires_grad() ? logits + linear_part(features) : logits;
  }

  void prepare_line(const Batch& from, const Batch& to) override {
    const at::NoGradGuard guard;
    const at::Tensor start = embed(from).flatten(0, -2), end = embed(to).flatten(0, -2);
    const at::Tensor way = (end - start).unsqueeze(-1);
    const at::Tensor jumps = forest_->jumps(with_missing(start), with_missing(end));
    slopes_ = at::where(way.eq(0), 0, jumps / way).nan_to_num(0);  // NaN beyond the stay's end
  }

  std::int64_t fit(const EstimatorFit& fit) override {
    const at::NoGradGuard guard;
    BoostingData data;
    std::tie(data.train, data.train_targets) = rows_of(fit.train);
    std::tie(data.valid, data.valid_targets) = rows_of(fit.valid);
    return grow(*forest_, options_, data, fit);
  }

  void prepare_inference(at::ScalarType) override { eval(); }
  std::string head() const override { return "forest"; }
  std::unique_ptr<StepNetwork> step_network() const override {
    return trees_step(known_, *forest_);
  }

 private:
  /// Rows of what is known [..., F], NaN where a number is missing.
  at::Tensor with_missing(const at::Tensor& known) const {
    return known.masked_fill(known_.present(known).logical_not(), kMissing);
  }

  /// Every row with something known of its target, NaN where a number is missing; and the targets.
  std::pair<at::Tensor, at::Tensor> rows_of(const EstimatorFit::Batches& next) const {
    std::vector<at::Tensor> rows, targets;
    for (Batch batch; next(batch);) {
      const at::Tensor known = known_.of(stays_of(batch, known_.statics, /*training=*/true));
      const at::Tensor target =
          known_.per_step ? batch.target.narrow(1, 0, known.size(1)) : batch.target;
      const at::Tensor labelled = target.isnan().all(-1).logical_not();
      rows.push_back(with_missing(known.index({labelled})));
      targets.push_back(target.index({labelled}));
    }
    return {at::cat(rows).to(at::kFloat), at::cat(targets).to(at::kFloat)};
  }

  /// 0, with the slopes of prepare_line() as its gradient.
  at::Tensor linear_part(const at::Tensor& features) const {
    TORCH_CHECK(slopes_.defined(), "boosted trees have no gradients: call prepare_line() first");
    const at::Tensor moved = (features - features.detach()).unsqueeze(-1);
    return (moved.nan_to_num(0, 0, 0) * slopes_).sum(-2);
  }

  KnownFeatures known_;
  BoostingOptions options_;
  Forest forest_;
  at::Tensor slopes_;  ///< of the line, [T or 1, F, L]
};

}  // namespace

ModelEntry boosted_trees() {
  auto options = BoostingOptions::help();
  options.merge(known_options());
  return {"boosted_trees", "gradient-boosted trees on what is known so far", std::move(options),
          [](const ModelSpec& spec) { return std::make_shared<BoostedTrees>(spec); },
          Modality::kVitals};
}

}  // namespace salus::models
