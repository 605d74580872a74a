#include "engine/infer/score_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <future>

#include "engine/data/thread_pool.h"
#include "engine/io/error.h"

namespace salus::infer {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// One input of a group: an image, or why there is none.
struct Read {
  std::string id;
  io::Volume volume;
  std::string failure;
  double milliseconds = 0;
};

using Group = std::vector<Read>;

Group read_group(const Session& session, const std::vector<io::Input>& inputs, std::size_t begin,
                 std::size_t end, const ScoreOptions& options, data::ThreadPool& pool) {
  Group group(end - begin);
  pool.for_each(static_cast<std::int64_t>(group.size()), [&](std::int64_t i) {
    const auto start = Clock::now();
    auto& read = group[i];
    const io::Input& input = inputs[begin + i];
    read.id = input.id;
    try {
      read.volume = io::read_input(input, options.volume);
      // With --force, Session::predict() flags what is wrong.
      if (!options.force) read.failure = session.refusal(read.volume.image, read.id);
    } catch (const std::exception& error) {
      read.failure = error.what();
    }
    read.milliseconds = milliseconds_since(start);
  });
  return group;
}

/// What a series adds to what is said of it.
void tell_of_series(const io::Volume& volume, Prediction& prediction) {
  if (volume.files.empty()) return;
  for (const auto frame : prediction.frames) prediction.files.push_back(volume.files.at(frame));
  prediction.flags.insert(prediction.flags.end(), volume.problems.begin(), volume.problems.end());
}

/// Scores the readable images of a group together; if that fails, one by one, to find the one.
void score_group(const Session& session, Group& group, const ScoreOptions& options,
                 std::vector<Prediction>& predictions) {
  std::vector<io::Image> images;
  std::vector<std::string> ids;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (!group[i].failure.empty()) continue;
    images.push_back(group[i].volume.image);
    ids.push_back(group[i].id);
    positions.push_back(i);
  }
  const bool fit =
      session.bundle().accepts.refuse && !options.force;  // read_group() has seen to it
  const SessionOptions how{options.embeddings, options.force, fit};
  predictions.resize(group.size());
  try {
    auto scored = session.predict(images, ids, how);
    for (std::size_t i = 0; i < scored.size(); ++i)
      predictions[positions[i]] = std::move(scored[i]);
  } catch (const std::exception&) {
    for (std::size_t i = 0; i < images.size(); ++i) {
      try {
        predictions[positions[i]] = session.predict({images[i]}, {ids[i]}, how).at(0);
      } catch (const std::exception& error) {
        group[positions[i]].failure = fmt::format("{}: {}", ids[i], error.what());
      }
    }
  }
}

}  // namespace

std::size_t score_files(const Session& session, const std::vector<io::Input>& inputs,
                        const ScoreOptions& options, const ScoreHandlers& handlers) {
  // A series fills a micro-batch by itself, and two in memory are enough.
  const bool series = std::any_of(inputs.begin(), inputs.end(),
                                  [](const io::Input& input) { return input.files.size() > 1; });
  const auto size =
      series ? 1
             : static_cast<std::size_t>(std::max<std::int64_t>(1, session.bundle().micro_batch));
  data::ThreadPool pool(options.threads);
  const auto read_at = [&](std::size_t begin) {
    return read_group(session, inputs, begin, std::min(inputs.size(), begin + size), options, pool);
  };
  std::size_t skipped = 0;
  std::future<Group> next;
  if (!inputs.empty()) next = std::async(std::launch::async, read_at, 0);
  for (std::size_t begin = 0; begin < inputs.size(); begin += size) {
    auto group = next.get();
    if (begin + size < inputs.size()) next = std::async(std::launch::async, read_at, begin + size);
    std::vector<Prediction> predictions;
    score_group(session, group, options, predictions);
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (!group[i].failure.empty()) {
        ++skipped;
        handlers.skipped(group[i].id, group[i].failure);
        continue;
      }
      predictions[i].milliseconds += group[i].milliseconds;
      tell_of_series(group[i].volume, predictions[i]);
      handlers.scored(predictions[i]);
    }
  }
  return skipped;
}

}  // namespace salus::infer
