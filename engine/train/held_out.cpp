#include "engine/train/held_out.h"

#include <fmt/format.h>

#include <numeric>

#include "engine/core/ensemble.h"
#include "engine/infer/session.h"
#include "engine/io/error.h"

namespace salus::train {
namespace {

Subset whole(const data::Dataset& dataset) {
  Subset subset{&dataset, std::vector<std::int64_t>(static_cast<std::size_t>(dataset.size()))};
  std::iota(subset.positions.begin(), subset.positions.end(), 0);
  return subset;
}

const Turn& turn_of(const Parts& parts, std::size_t member) {
  return parts.turns[member % parts.turns.size()];
}

/// The ensemble of some of its members alone.
infer::Bundle with_members(const infer::Bundle& ensemble, const std::vector<std::size_t>& members) {
  infer::Bundle some = ensemble;
  some.model.members.clear();
  some.weights.clear();
  for (std::size_t to = 0; to < members.size(); ++to) {
    const std::size_t from = members[to];
    some.model.members.push_back(ensemble.model.members[from]);
    for (const auto& [name, tensor] : ensemble.weights) {
      const auto prefix = member_name(from) + ".";
      if (name.starts_with(prefix)) {
        some.weights[member_name(to) + "." + name.substr(prefix.size())] = tensor;
      }
    }
    for (const char* name : {"slope", "intercept"}) {
      some.weights[fmt::format("{}{}", name, to)] =
          ensemble.weights.at(fmt::format("{}{}", name, from));
    }
  }
  return some;
}

template <typename T>
void append(std::vector<T>& to, std::vector<T>&& more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void append(infer::ScoredCases& to, infer::ScoredCases&& more) {
  append(to.logits, std::move(more.logits));
  evaluate::Predictions &a = to.predictions, &b = more.predictions;
  append(a.ids, std::move(b.ids));
  append(a.hours, std::move(b.hours));
  append(a.onsets, std::move(b.onsets));
  append(a.patients, std::move(b.patients));
  append(a.targets, std::move(b.targets));
  append(a.probabilities, std::move(b.probabilities));
  for (auto& [column, values] : b.subgroups) append(a.subgroups[column], std::move(values));
  to.seconds += more.seconds;
}

}  // namespace

Subset training_cases(const Parts& parts, std::size_t member) {
  if (parts.turns.empty()) return whole(*parts.train);
  return {parts.train.get(), turn_of(parts, member).rest};
}

Subset validation_cases(const Parts& parts, std::size_t member) {
  if (parts.turns.empty()) return whole(*parts.valid);
  return {parts.train.get(), turn_of(parts, member).held};
}

const data::Dataset& held_out_from(const Parts& parts, std::size_t member) {
  return parts.turns.empty() ? *parts.valid : *turn_of(parts, member).held_out;
}

infer::ScoredCases score_held_out(const infer::Bundle& bundle, const Parts& parts,
                                  const Registry& registry, const std::string& device,
                                  int threads) {
  if (parts.turns.empty()) {
    return infer::predict_cases(infer::Session(bundle, registry, device), *parts.valid, threads);
  }
  infer::ScoredCases all;
  for (std::size_t turn = 0; turn < parts.turns.size(); ++turn) {
    std::vector<std::size_t> members;
    for (auto m = turn; m < bundle.model.members.size(); m += parts.turns.size()) {
      members.push_back(m);
    }
    const infer::Session session(with_members(bundle, members), registry, device);
    auto scored = infer::predict_cases(session, *parts.turns[turn].held_out, threads);
    turn == 0 ? void(all = std::move(scored)) : append(all, std::move(scored));
  }
  return all;
}

void require_turns(const Parts& parts, std::size_t members) {
  if (members >= parts.turns.size()) return;
  throw UsageError(fmt::format(
      "[data.split] member_folds = {0}: each part of the training cases is held out from "
      "another network in turn, which takes at least {0}, but {1} would be trained; add "
      "[[member]] tables or seeds.",
      parts.turns.size(), members));
}

}  // namespace salus::train
