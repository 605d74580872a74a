#include "engine/data/loader.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <random>
#include <thread>

namespace salus::data {
namespace {

/// Seed of one epoch: SplitMix64 of both, so that neighbouring epochs are unrelated.
std::uint64_t mix(std::uint64_t seed, std::int64_t epoch) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(epoch) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

constexpr std::int64_t kNone = -1, kUnknown = -2;

/// Class of a case: of one label 0 or 1, of several the first that is positive or kNone; kUnknown if no
/// label is known.
std::int64_t class_of(const CaseInfo& info) {
  const auto& target = info.target;
  if (std::all_of(target.begin(), target.end(), [](float t) { return std::isnan(t); })) {
    return kUnknown;
  }
  if (target.size() == 1) return target[0] > 0.5F ? 1 : 0;
  const auto first = std::find_if(target.begin(), target.end(), [](float t) { return t > 0.5F; });
  return first == target.end() ? kNone : first - target.begin();
}

std::vector<std::int64_t> balanced(const Dataset& dataset, const std::vector<std::int64_t>& pool,
                                   std::mt19937_64& random) {
  std::map<std::int64_t, std::vector<std::int64_t>> classes;
  for (const auto i : pool) classes[class_of(dataset.info(i))].push_back(i);
  classes.erase(kUnknown);
  std::vector<std::int64_t> order;
  if (classes.empty()) return pool;
  order.reserve(pool.size());
  auto current = classes.begin();
  while (order.size() < pool.size()) {
    order.push_back(current->second[random() % current->second.size()]);
    if (++current == classes.end()) current = classes.begin();
  }
  return order;
}

std::vector<std::int64_t> weighted(const Dataset& dataset, const std::vector<std::int64_t>& pool,
                                   const std::vector<double>& weights, std::mt19937_64& random) {
  std::vector<double> sums;  // so far
  double sum = 0;
  for (const auto i : pool) {
    const auto of = class_of(dataset.info(i));
    if (of != kUnknown) sum += of == kNone ? 1 : weights.at(static_cast<std::size_t>(of));
    sums.push_back(sum);
  }
  if (sum == 0) return pool;
  std::vector<std::int64_t> order;
  while (order.size() < pool.size()) {
    const double at = static_cast<double>(random() >> 11) * 0x1p-53 * sum;
    const auto drawn = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
    order.push_back(pool[static_cast<std::size_t>(drawn)]);
  }
  return order;
}

/// Cases of like length side by side; whole batches in random order, a rest last.
void bucket_by_steps(const Dataset& dataset, std::int64_t batch, std::mt19937_64& random,
                     std::vector<std::int64_t>& order) {
  constexpr std::int64_t kWindow = 32;  // batches
  const auto total = static_cast<std::int64_t>(order.size());
  for (std::int64_t begin = 0; begin < total; begin += kWindow * batch) {
    const auto end = order.begin() + std::min(total, begin + kWindow * batch);
    std::stable_sort(order.begin() + begin, end, [&](std::int64_t a, std::int64_t b) {
      return dataset.steps(a) < dataset.steps(b);
    });
  }
  for (std::int64_t i = total / batch; i > 1; --i) {
    const auto j = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(i));
    const auto to = order.begin() + (i - 1) * batch, from = order.begin() + j * batch;
    if (to != from) std::swap_ranges(to, to + batch, from);
  }
}

}  // namespace

std::vector<std::int64_t> Sampler::epoch(const Dataset& dataset,
                                         const std::vector<std::int64_t>& pool,
                                         std::int64_t epoch) const {
  if (kind == Kind::kSequential || pool.empty()) return pool;
  std::mt19937_64 random(mix(seed, epoch));
  auto order = kind == Kind::kBalanced   ? balanced(dataset, pool, random)
               : kind == Kind::kWeighted ? weighted(dataset, pool, weights, random)
                                         : pool;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  if (bucket > 0) bucket_by_steps(dataset, bucket, random, order);
  return order;
}

struct Loader::Impl {
  struct Slot {
    Item item;
    std::exception_ptr failure;
  };

  const Dataset& dataset;
  std::vector<std::int64_t> order;
  std::int64_t batch_size;
  std::int64_t count;
  std::size_t ahead;
  bool pin;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Slot> ready;
  std::int64_t taken = 0;
  bool stop = false;
  std::thread thread;

  Impl(const Dataset& from, std::vector<std::int64_t> positions, std::int64_t size, bool drop_last,
       int prefetch, bool pinned)
      : dataset(from),
        order(std::move(positions)),
        batch_size(size),
        ahead(static_cast<std::size_t>(std::max(1, prefetch))),
        pin(pinned) {
    const auto total = static_cast<std::int64_t>(order.size());
    count = drop_last ? total / batch_size : (total + batch_size - 1) / batch_size;
    thread = std::thread([this] { work(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    thread.join();
  }

  Slot load(std::int64_t batch) const {
    Slot slot;
    const auto begin = order.begin() + batch * batch_size;
    const auto left = order.end() - begin;
    slot.item.positions.assign(begin, begin + std::min<std::int64_t>(batch_size, left));
    try {
      slot.item.batch = dataset.load(slot.item.positions);
      if (pin) {
        for (auto& [name, tensor] : slot.item.batch.inputs) tensor = tensor.pin_memory();
      }
    } catch (...) {
      slot.failure = std::current_exception();
    }
    return slot;
  }

  void work() {
    for (std::int64_t batch = 0; batch < count; ++batch) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return stop || ready.size() < ahead; });
        if (stop) return;
      }
      auto slot = load(batch);
      {
        std::lock_guard lock(mutex);
        ready.push_back(std::move(slot));
      }
      changed.notify_all();
    }
  }

  bool next(Item& item) {
    if (taken == count) return false;
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !ready.empty(); });
    auto slot = std::move(ready.front());
    ready.pop_front();
    ++taken;
    lock.unlock();
    changed.notify_all();
    if (slot.failure) std::rethrow_exception(slot.failure);
    item = std::move(slot.item);
    return true;
  }
};

Loader::Loader(const Dataset& dataset, std::vector<std::int64_t> order, std::int64_t batch_size,
               bool drop_last, int ahead, bool pin)
    : impl_(std::make_unique<Impl>(dataset, std::move(order), batch_size, drop_last, ahead, pin)) {}

Loader::~Loader() = default;

std::int64_t Loader::batches() const { return impl_->count; }

bool Loader::next(Item& item) { return impl_->next(item); }

}  // namespace salus::data
