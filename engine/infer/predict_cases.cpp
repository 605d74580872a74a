#include "engine/infer/predict_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <future>

#include "engine/data/image_dataset.h"
#include "engine/data/lines_below.h"
#include "engine/data/stay_transform.h"
#include "engine/data/thread_pool.h"
#include "engine/infer/pixel_check.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using Clock = std::chrono::steady_clock;

/// What there is to score of some cases: images with all their frames, or a batch of inputs.
struct Group {
  std::vector<std::int64_t> positions;
  std::vector<io::Image> images;
  std::vector<std::string> ids;
  SessionOptions options;
  Batch batch;
  std::vector<std::pair<std::int64_t, std::string>> unreadable;  ///< other positions, and why
};

/// \param tolerant  notes images that cannot be read or scored instead of throwing.
Group read_images(const Session& session, const data::ImageDataset& dataset, std::int64_t begin,
                  std::int64_t end, bool tolerant, data::ThreadPool& pool) {
  std::vector<io::Image> images(end - begin);
  std::vector<std::string> failures(end - begin);  // "": none
  pool.for_each(end - begin, [&](std::int64_t i) {
    try {
      images[i] = dataset.image(begin + i);
      if (tolerant) failures[i] = session.refusal(images[i], dataset.info(begin + i).id);
    } catch (const Error& error) {
      if (!tolerant) throw;
      failures[i] = error.what();
    }
  });
  Group group;
  group.options.fit = tolerant && session.bundle().accepts.refuse;
  for (std::int64_t i = 0; i < end - begin; ++i) {
    if (!failures[i].empty()) {
      group.unreadable.emplace_back(begin + i, std::move(failures[i]));
      continue;
    }
    group.positions.push_back(begin + i);
    group.ids.push_back(dataset.info(begin + i).id);
    group.images.push_back(std::move(images[i]));
  }
  return group;
}

Group read_group(const Session& session, const data::Dataset& dataset, std::int64_t begin,
                 std::int64_t end, bool tolerant, data::ThreadPool& pool) {
  if (const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset)) {
    return read_images(session, *images, begin, end, tolerant, pool);
  }
  Group group;
  for (std::int64_t i = begin; i < end; ++i) {
    group.positions.push_back(i);
    group.ids.push_back(dataset.info(i).id);
  }
  group.batch = dataset.load(group.positions);
  return group;
}

std::vector<Prediction> score(const Session& session, const Group& group) {
  return group.images.empty() ? session.predict(group.batch)
                              : session.predict(group.images, group.ids, group.options);
}

/// Adds a row to the columns of what was said and what is known.
void add_row(const Bundle& bundle, const data::CaseInfo& info, std::int64_t position,
             Prediction prediction, const float* target, ScoredCases& out) {
  auto& rows = out.predictions;
  rows.ids.push_back(info.id);
  if (prediction.hour) rows.hours.push_back(*prediction.hour);
  if (prediction.hour && info.onset) rows.onsets.push_back(*info.onset);
  rows.patients.push_back(info.patient.empty() ? fmt::format("#{}", position) : info.patient);
  auto& known = rows.targets.emplace_back(target, target + rows.labels.size());
  for (std::size_t i = 0; i < bundle.scales.size(); ++i) {
    known[i] = bundle.scales[i].value(known[i]);
  }
  for (const auto& [column, value] : info.subgroups) rows.subgroups[column].push_back(value);
  rows.probabilities.push_back(std::move(prediction.probabilities));
  out.logits.push_back(std::move(prediction.logits));
}

/// \throws UsageError if one of model and labels is of steps and the other of whole stays.
void check_steps(const Session& session, const at::Tensor& target) {
  const bool per_step = session.bundle().model.per_step;
  if (!target.defined() || (target.dim() == 3) == per_step) return;
  throw UsageError(
      fmt::format("The bundle '{}' scores {}, but the labels are of {}; name other labels.",
                  session.bundle().name, per_step ? "every step" : "whole stays",
                  per_step ? "whole stays" : "steps"));
}

/// Adds the rows of a group: one a case, or one a step of each.
void add_group(const Session& session, const data::Dataset& dataset, const Group& group,
               ScoredCases& out) {
  if (group.positions.empty()) return;
  if (group.images.empty()) check_steps(session, group.batch.target);
  auto predictions = score(session, group);
  const auto labels = session.bundle().task.outputs();
  for (const auto position : group.positions) {
    const auto& info = dataset.info(position);
    if (static_cast<std::int64_t>(info.target.size()) == labels) continue;
    throw Error(fmt::format("{} has {} labels, but the bundle has {}.", info.id, info.target.size(),
                            labels));
  }
  std::size_t row = 0;
  for (std::size_t i = 0; i < group.positions.size(); ++i) {
    const auto position = group.positions[i];
    const auto& info = dataset.info(position);
    if (!session.bundle().model.per_step) {
      add_row(session.bundle(), info, position, std::move(predictions[row++]), info.target.data(),
              out);
      continue;
    }
    const float* target = group.batch.target[static_cast<std::int64_t>(i)].const_data_ptr<float>();
    const auto length =
        group.batch.inputs.at("length")[static_cast<std::int64_t>(i)].item<std::int64_t>();
    for (auto t = std::max<std::int64_t>(length, 1); t > 0; --t, target += labels) {
      add_row(session.bundle(), info, position, std::move(predictions[row++]), target, out);
    }
  }
}

}  // namespace

std::vector<Prediction> predict_case(const Session& session, const data::Dataset& dataset,
                                     std::int64_t i) {
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  if (images == nullptr) return session.predict(dataset.load({i}));
  return session.predict({images->image(i)}, {dataset.info(i).id});
}

evaluate::EvaluationOptions evaluation_options(const Bundle& bundle) {
  evaluate::EvaluationOptions options;
  options.steps.alarms = bundle.alarms;
  const bool vitals = bundle.model.modality == Modality::kVitals;
  options.challenge2012 = vitals && !bundle.model.per_step;
  // Labels of steps begin with what they name, but for those of that challenge.
  if (vitals && bundle.stay_transform().source() != "physionet2019") options.steps.label_lead = 0;
  for (const auto& point : bundle.operating_points) {
    options.operating_points.push_back({point.name, point.label, point.threshold});
  }
  return options;
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
                          const data::Unreadable& unreadable) {
  ScoredCases out;
  out.predictions.task = session.bundle().task.kind;
  out.predictions.labels = session.bundle().task.labels;
  data::ThreadPool pool(threads);
  const std::int64_t size = std::max<std::int64_t>(1, session.bundle().micro_batch);
  const auto read_at = [&](std::int64_t begin) {
    const auto end = std::min(dataset.size(), begin + size);
    return read_group(session, dataset, begin, end, /*tolerant=*/static_cast<bool>(unreadable),
                      pool);
  };
  const auto start = Clock::now();
  std::future<Group> next;
  if (dataset.size() > 0) next = std::async(std::launch::async, read_at, 0);
  for (std::int64_t begin = 0; begin < dataset.size(); begin += size) {
    const auto group = next.get();
    if (begin + size < dataset.size()) next = std::async(std::launch::async, read_at, begin + size);
    add_group(session, dataset, group, out);
    for (const auto& [position, reason] : group.unreadable) {
      unreadable(reason);
      out.unreadable.push_back(position);
    }
  }
  out.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return out;
}

void refuse_unaccepted(const Acceptance& accepts, const data::Dataset& dataset, int threads) {
  const auto* images = dynamic_cast<const data::ImageDataset*>(&dataset);
  if (!accepts.refuse || images == nullptr) return;
  std::vector<std::string> reasons(dataset.size());
  data::ThreadPool pool(threads);
  pool.for_each(dataset.size(), [&](std::int64_t i) {
    const io::Image image = images->image(i);
    const auto mismatches = image_mismatches(accepts, image, images->transform().frames(image));
    if (mismatches.empty()) return;
    reasons[i] = fmt::format("{}: {}", dataset.info(i).id, fmt::join(mismatches, " "));
  });
  std::erase(reasons, "");
  if (reasons.empty()) return;
  throw Error(
      fmt::format("{} of {} images do not fit [accept] or show nothing, so that the bundle would "
                  "refuse them. Mend [accept] or leave them out:{}",
                  reasons.size(), dataset.size(), data::lines_below(reasons)));
}

}  // namespace salus::infer
