#include "engine/train/members.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>

#include "engine/core/ensemble.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"
#include "engine/io/error.h"
#include "engine/train/held_out.h"
#include "engine/train/publish.h"

namespace salus::train {
namespace {

using Kind = evaluate::Calibration::Kind;

MemberPlan read_plan(Config& root, const Task& task, const std::string& device) {
  MemberPlan plan;
  const Config model = root.table("model");
  plan.model.name = model.get_string("name");
  plan.model.options = model.get_numbers();
  plan.train = read_train_config(root, task, device);
  return plan;
}

std::vector<std::uint64_t> read_seeds(const Config& member) {
  std::vector<std::uint64_t> seeds;
  for (const double seed : member.get_doubles("seeds", {})) {
    if (seed < 0 || seed != std::floor(seed)) {
      throw UsageError(fmt::format("{} must be whole numbers from 0.", member.where("seeds")));
    }
    seeds.push_back(static_cast<std::uint64_t>(seed));
  }
  return seeds;
}

/// How a member's logits become comparable with the others': slope and intercept of each label.
struct Line {
  std::vector<float> slope, intercept;
};

Line fit_line(const infer::Bundle& member, const infer::ScoredCases& scored,
              const std::function<void(const std::string&)>& warn) {
  const auto labels = member.task.labels.size();
  Line line{std::vector<float>(labels, 1), std::vector<float>(labels, 0)};
  if (member.task.kind == TaskKind::kRegression) return line;
  const auto fitted =
      fit_calibrations(member.task, Kind::kPlatt, scored.logits, scored.predictions.targets, warn);
  for (std::size_t l = 0; l < labels; ++l) {
    const auto& one = fitted.size() == labels ? fitted[l] : fitted[0];
    const bool platt = one.kind == Kind::kPlatt;
    line.slope[l] = static_cast<float>(platt ? one.slope : 1 / one.temperature);
    line.intercept[l] = static_cast<float>(platt ? one.intercept : 0);
  }
  return line;
}

}  // namespace

std::vector<MemberPlan> read_members(Config& config, const Task& task, const std::string& device) {
  std::vector<MemberPlan> plans;
  const MemberPlan base = read_plan(config, task, device);
  for (Config& member : config.tables("member")) {
    if (!member.has("model")) member.inherit("model", config);
    member.inherit("train", config);
    member.inherit("augment", config);
    MemberPlan plan = read_plan(member, task, device);
    auto seeds = read_seeds(member);
    if (seeds.empty()) seeds = {plan.train.seed};
    for (const auto seed : seeds) {
      plan.train.seed = seed;
      plans.push_back(plan);
    }
  }
  if (plans.empty()) plans.push_back(base);
  return plans;
}

std::map<std::string, at::Tensor> weights_of(const std::vector<FitResult>& fits) {
  if (fits.size() == 1) return fits[0].best_weights;
  std::map<std::string, at::Tensor> all;
  for (std::size_t m = 0; m < fits.size(); ++m) {
    for (const auto& [name, tensor] : fits[m].best_weights) {
      all[member_name(m) + "." + name] = tensor;
    }
  }
  return all;
}

void make_ensemble(infer::Bundle& bundle, const std::vector<MemberPlan>& members,
                   const std::vector<FitResult>& fits, const Registry& registry, const Parts& parts,
                   const std::string& device, int threads,
                   const std::function<void(const std::string&)>& warn) {
  const ModelSpec sizes = bundle.model;
  infer::Bundle one = bundle;
  bundle.model.name = kEnsemble;
  bundle.model.options.clear();
  for (std::size_t m = 0; m < members.size(); ++m) {
    bundle.model.members.push_back(members[m].model);
    one.model = sized_like(sizes, members[m].model);
    one.weights = fits[m].best_weights;
    const infer::Session session(one, registry, device);
    const Line line =
        fit_line(one, infer::predict_cases(session, held_out_from(parts, m), threads), warn);
    bundle.weights[fmt::format("slope{}", m)] = at::tensor(line.slope);
    bundle.weights[fmt::format("intercept{}", m)] = at::tensor(line.intercept);
  }
}

}  // namespace salus::train
