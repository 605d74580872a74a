#include "engine/infer/predict_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "engine/data/image_dataset.h"
#include "engine/data/thread_pool.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using Clock = std::chrono::steady_clock;

/// What there is to score of some cases: images with all their frames, or a batch of inputs.
struct Group {
  std::vector<io::Image> images;
  std::vector<std::string> ids;
  Batch batch;
};

Group read_group(const data::Dataset& dataset, std::int64_t begin, std::int64_t end,
                 data::ThreadPool& pool) {
  Group group;
  std::vector<std::int64_t> positions;
  for (std::int64_t i = begin; i < end; ++i) {
    positions.push_back(i);
    group.ids.push_back(dataset.info(i).id);
  }
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  if (images == nullptr) {
    group.batch = dataset.load(positions);
    return group;
  }
  group.images.resize(end - begin);
  pool.for_each(end - begin, [&](std::int64_t i) { group.images[i] = images->image(begin + i); });
  return group;
}

std::vector<Prediction> score(const Session& session, const Group& group) {
  return group.images.empty() ? session.predict(group.batch)
                              : session.predict(group.images, group.ids);
}

/// Columns of the cases: targets, patients, subgroups.
evaluate::Predictions describe(const Session& session, const data::Dataset& dataset) {
  evaluate::Predictions out;
  const auto& task = session.bundle().task;
  out.task = task.kind;
  out.labels = task.labels;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto& info = dataset.info(i);
    out.ids.push_back(info.id);
    out.patients.push_back(info.patient.empty() ? fmt::format("#{}", i) : info.patient);
    if (static_cast<std::int64_t>(info.target.size()) != task.outputs()) {
      throw Error(fmt::format("{} has {} labels, but the bundle has {}.", info.id,
                              info.target.size(), task.outputs()));
    }
    out.targets.emplace_back(info.target.begin(), info.target.end());
    for (const auto& [column, value] : info.subgroups) out.subgroups[column].push_back(value);
  }
  return out;
}

}  // namespace

Prediction predict_case(const Session& session, const data::Dataset& dataset, std::int64_t i) {
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  if (images == nullptr) return session.predict(dataset.load({i})).at(0);
  return session.predict({images->image(i)}, {dataset.info(i).id}).at(0);
}

void score_cases(const Session& session, const data::Dataset& dataset,
                 const SessionOptions& options,
                 const std::function<void(const Prediction&)>& scored) {
  const std::int64_t size = session.bundle().micro_batch;
  for (std::int64_t begin = 0; begin < dataset.size(); begin += size) {
    std::vector<std::int64_t> positions;
    for (auto i = begin; i < std::min(dataset.size(), begin + size); ++i) positions.push_back(i);
    for (const auto& prediction : session.predict(dataset.load(positions), options)) {
      scored(prediction);
    }
  }
}

ScoredCases predict_cases(const Session& session, const data::Dataset& dataset, int threads,
                          const std::function<void(std::int64_t, std::int64_t)>& progress) {
  ScoredCases out;
  out.predictions = describe(session, dataset);
  data::ThreadPool pool(threads);
  const std::int64_t size = std::max<std::int64_t>(1, session.bundle().micro_batch);
  const auto read_at = [&](std::int64_t begin) {
    return read_group(dataset, begin, std::min(dataset.size(), begin + size), pool);
  };
  const auto start = Clock::now();
  std::future<Group> next;
  if (dataset.size() > 0) next = std::async(std::launch::async, read_at, 0);
  for (std::int64_t begin = 0; begin < dataset.size(); begin += size) {
    const auto group = next.get();
    if (begin + size < dataset.size()) next = std::async(std::launch::async, read_at, begin + size);
    for (auto& scored : score(session, group)) {
      out.predictions.probabilities.push_back(std::move(scored.probabilities));
      out.logits.push_back(std::move(scored.logits));
    }
    if (progress) progress(std::min(dataset.size(), begin + size), dataset.size());
  }
  out.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return out;
}

void refuse_unaccepted(const Acceptance& accepts, const data::Dataset& dataset, int threads) {
  constexpr std::size_t kShown = 20;
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  if (!accepts.refuse || images == nullptr) return;
  std::vector<std::string> reasons(dataset.size());
  data::ThreadPool pool(threads);
  pool.for_each(dataset.size(), [&](std::int64_t i) {
    const auto mismatches = accepts.mismatches(images->image(i));
    if (mismatches.empty()) return;
    reasons[i] = fmt::format("{}: {}", dataset.info(i).id, fmt::join(mismatches, " "));
  });
  std::erase(reasons, "");
  if (reasons.empty()) return;
  const auto count = reasons.size();
  reasons.resize(std::min(count, kShown));
  throw Error(
      fmt::format("{} of {} images do not fit [accept], so that the bundle would refuse them. "
                  "Mend [accept] or leave them out:\n  {}{}",
                  count, dataset.size(), fmt::join(reasons, "\n  "),
                  count > kShown ? fmt::format("\n  and {} more", count - kShown) : ""));
}

}  // namespace salus::infer
