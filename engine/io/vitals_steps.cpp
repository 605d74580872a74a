#include "engine/io/vitals_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace salus::io {
namespace {

/// Settles the labels of one stay.
class StepSettler {
 public:
  StepSettler(const StepRows& steps, const VitalsOptions& options,
              const std::function<std::string(std::int64_t)>& where, VitalsCounts& counts,
              StayRows& stay)
      : steps_(steps), options_(options), where_(where), counts_(counts), stay_(stay) {}

  void settle() {
    const auto by_time = [this](std::size_t a, std::size_t b) {
      return steps_.time[a] < steps_.time[b];
    };
    std::vector<std::size_t> kept = kept_rows();
    if (!std::is_sorted(kept.begin(), kept.end(), by_time)) {
      std::stable_sort(kept.begin(), kept.end(), by_time);
    }
    for (const std::size_t row : kept) append(row);
  }

 private:
  std::vector<std::size_t> kept_rows() {
    std::vector<std::size_t> kept;
    double latest = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < steps_.time.size(); ++i) {
      const double time = steps_.time[i];
      const bool early = time < latest;
      const bool future = time > options_.latest;
      latest = std::max(latest, time);
      if (early) {
        meet(i, options_.unsorted, counts_.unsorted, "the time is before that of the row above",
             "unsorted");
        if (options_.unsorted == RowPolicy::kDrop) continue;
      }
      if (future) {
        meet(i, options_.future, counts_.future, "the time is after the latest that is allowed",
             "future");
        if (options_.future == RowPolicy::kDrop) continue;
      }
      kept.push_back(i);
    }
    return kept;
  }

  void append(std::size_t row) {
    const std::size_t width = steps_.labels.size() / steps_.time.size();
    const float* labels = steps_.labels.data() + row * width;
    if (stay_.step_time.empty() || stay_.step_time.back() < steps_.time[row]) {
      stay_.step_time.push_back(steps_.time[row]);
      stay_.step_labels.insert(stay_.step_labels.end(), labels, labels + width);
      return;
    }
    meet(row, options_.duplicates, counts_.duplicates, "the stay has a row at this time already",
         "duplicates");
    float* last = stay_.step_labels.data() + stay_.step_labels.size() - width;
    for (std::size_t l = 0; l < width; ++l) {
      if (!std::isnan(labels[l])) last[l] = labels[l];
    }
  }

  /// Counts or refuses a row that is not as it should be.
  void meet(std::size_t row, RowPolicy policy, std::int64_t& count, const char* what,
            const char* option) const {
    if (policy == RowPolicy::kRefuse) refuse_row(where_(steps_.place[row]), what, option);
    count += !steps_.counted[row];
  }

  const StepRows& steps_;
  const VitalsOptions& options_;
  const std::function<std::string(std::int64_t)>& where_;
  VitalsCounts& counts_;
  StayRows& stay_;
};

}  // namespace

void settle_steps(const StepRows& steps, const VitalsOptions& options,
                  const std::function<std::string(std::int64_t place)>& where, VitalsCounts& counts,
                  StayRows& stay) {
  StepSettler(steps, options, where, counts, stay).settle();
}

}  // namespace salus::io
