#include "engine/stream/stream_pool.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/mapped_file.h"
#include "engine/stream/snapshot.h"

namespace salus::stream {
namespace {

PoolOptions checked(const PoolOptions& options) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  if (options.capacity >= 1 && options.capacity <= kMost && options.batch >= 1 &&
      options.batch <= kMost) {
    return options;
  }
  throw UsageError(
      fmt::format("A pool cannot hold {} stays and score {} at once; both must be 1 to {}.",
                  options.capacity, options.batch, kMost));
}

std::string go_on_from(const std::string& previous, const std::string& path) {
  return fmt::format(
      "There is a snapshot before it: to go on from that, move {0} to {1}. A file of rows is then "
      "read on from where that snapshot was taken; rows that came since by a pipe must be sent "
      "again.",
      previous, path);
}

std::string begin_anew(const std::string& path) {
  return fmt::format("There is none before it; move {} away to begin anew.", path);
}

}  // namespace

StreamPool::StreamPool(std::shared_ptr<const StreamModel> model, const PoolOptions& options,
                       StaticsOf statics)
    : model_(std::move(model)),
      options_(checked(options)),
      statics_(std::move(statics)),
      names_(model_->variables()),
      batch_(*model_, options.batch),
      stays_(model_->state_bytes()),
      risk_(model_->blank_risk()) {
  work_.reserve(static_cast<std::size_t>(options.batch));
}

std::int32_t StreamPool::Stays::add(std::string_view id) {
  const std::int32_t number = slab.take();
  if (static_cast<std::size_t>(number) == slots.size()) slots.emplace_back();
  const auto [place, fresh] = table.emplace(std::string(id), number);
  slots[static_cast<std::size_t>(number)] = {.id = &place->first};
  link_newest(number);
  return number;
}

void StreamPool::Stays::remove(std::int32_t number) {
  Slot& slot = slots[static_cast<std::size_t>(number)];
  unlink(number);
  table.erase(table.find(*slot.id));
  slot.id = nullptr;
  slab.give_back(number);
}

void StreamPool::Stays::link_newest(std::int32_t number) {
  Slot& slot = slots[static_cast<std::size_t>(number)];
  slot.before = newest;
  slot.after = -1;
  (newest < 0 ? oldest : slots[static_cast<std::size_t>(newest)].after) = number;
  newest = number;
}

void StreamPool::Stays::unlink(std::int32_t number) {
  const Slot& slot = slots[static_cast<std::size_t>(number)];
  (slot.before < 0 ? oldest : slots[static_cast<std::size_t>(slot.before)].after) = slot.after;
  (slot.after < 0 ? newest : slots[static_cast<std::size_t>(slot.after)].before) = slot.before;
}

/// \returns -1 if the stay is not there and cannot come.
std::int32_t StreamPool::find_or_admit(std::string_view id) {
  const auto found = stays_.table.find(id);
  if (found != stays_.table.end()) return found->second;
  const bool room = static_cast<std::int64_t>(stays_.table.size()) < options_.capacity;
  if (!room || id.empty() || id.size() > kMostIdBytes) return -1;
  std::span<const float> statics;
  if (statics_) statics = statics_(id);
  if (statics.empty()) statics = model_->no_statics();
  const std::int32_t number = stays_.add(id);
  model_->start(stays_.slab.at(number), statics);
  return number;
}

void StreamPool::queue(const PoolEvent& event) {
  const std::int32_t number = find_or_admit(event.stay);
  if (number < 0) {
    ++turned_away_;
    return;
  }
  Slot& slot = stays_.slots[static_cast<std::size_t>(number)];
  const auto place = static_cast<std::int32_t>(events_.size());
  events_.push_back(names_.map(event.event));
  events_.back().line = event.line;
  if (slot.first < 0) {
    slot.first = place;
    touched_.push_back(number);
  } else {
    events_[static_cast<std::size_t>(slot.last)].next = place;
  }
  slot.last = place;
}

void StreamPool::push(std::span<const PoolEvent> events, double now, const Scored& scored,
                      std::int64_t position) {
  const std::scoped_lock lock(mutex_);
  events_.clear();
  touched_.clear();
  for (const PoolEvent& event : events) queue(event);
  score_touched(now, scored);
  count_fates();
  if (position >= 0) position_ = position;
}

void StreamPool::score_touched(double now, const Scored& scored) {
  const auto most = static_cast<std::size_t>(batch_.most());
  for (std::size_t begin = 0; begin < touched_.size(); begin += most) {
    const auto some = std::span(touched_).subspan(begin, std::min(most, touched_.size() - begin));
    work_.clear();
    for (const std::int32_t number : some) {
      Slot& slot = stays_.slots[static_cast<std::size_t>(number)];
      work_.push_back({stays_.slab.at(number), slot.first});
      slot.first = slot.last = -1;
      stays_.unlink(number);
      stays_.link_newest(number);
      StayHeader& header = model_->header(work_.back().state);
      header.arrived = now;
      header.silent = 0;
    }
    batch_.run(events_, work_);
    for (std::size_t i = 0; i < some.size(); ++i) {
      model_->judge(work_[i].state, risk_, true);
      if (scored) scored(*stays_.slots[static_cast<std::size_t>(some[i])].id, risk_);
    }
  }
}

void StreamPool::count_fates() {
  refusals_.clear();
  for (const MappedEvent& event : events_) {
    ++fates_[static_cast<std::size_t>(event.fate)];
    if (model_->refuses(event.fate)) refusals_.push_back({event.line, event.fate});
  }
}

bool StreamPool::discharge(std::string_view stay) {
  const std::scoped_lock lock(mutex_);
  const auto found = stays_.table.find(stay);
  if (found == stays_.table.end()) return false;
  stays_.remove(found->second);
  return true;
}

std::int64_t StreamPool::sweep(double now, const Scored& stale) {
  const std::scoped_lock lock(mutex_);
  std::int64_t gone = 0;
  while (stays_.oldest >= 0) {
    const StayHeader& header = model_->header(stays_.slab.at(stays_.oldest));
    if (!(now - header.arrived >= options_.evict_after)) break;
    stays_.remove(stays_.oldest);
    ++gone;
  }
  for (std::int32_t number = stays_.oldest; number >= 0;) {
    const Slot& slot = stays_.slots[static_cast<std::size_t>(number)];
    std::byte* state = stays_.slab.at(number);
    StayHeader& header = model_->header(state);
    if (!(now - header.arrived >= model_->options().stale_after)) break;
    if (header.silent == 0) {
      header.silent = 1;
      model_->judge(state, risk_, false);
      if (stale) stale(*slot.id, risk_);
    }
    number = slot.after;
  }
  return gone;
}

bool StreamPool::contains(std::string_view stay) const {
  const std::scoped_lock lock(mutex_);
  return stays_.table.contains(stay);
}

std::int64_t StreamPool::size() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::int64_t>(stays_.table.size());
}

std::int64_t StreamPool::turned_away() const {
  const std::scoped_lock lock(mutex_);
  return turned_away_;
}

FateCounts StreamPool::fates() const {
  const std::scoped_lock lock(mutex_);
  return fates_;
}

std::vector<Refusal> StreamPool::take_refusals() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(refusals_, {});
}

std::vector<std::string> StreamPool::take_notes() {
  const std::scoped_lock lock(mutex_);
  return names_.take_notes();
}

std::size_t StreamPool::bytes_per_stay() const {
  // A node of the table: the key (an id beyond 15 bytes has its own memory), number, link and hash,
  // and its share of the buckets.
  constexpr std::size_t kNode = sizeof(Table::value_type) + 4 * sizeof(void*);
  return stays_.slab.stride() + sizeof(Slot) + kNode;
}

void StreamPool::save(const std::string& path) const {
  Snapshot snapshot(*model_);
  std::int64_t position = 0;
  {
    const std::scoped_lock lock(mutex_);
    std::size_t id_bytes = 0;
    for (const auto& [id, number] : stays_.table) id_bytes += id.size();
    snapshot.reserve(stays_.table.size(), id_bytes);
    for (std::int32_t number = stays_.oldest; number >= 0;) {
      const Slot& slot = stays_.slots[static_cast<std::size_t>(number)];
      snapshot.add(*slot.id, stays_.slab.at(number));
      number = slot.after;
    }
    position = position_;
  }
  write_snapshot(path, std::move(snapshot).finish(position));
}

/// \returns the position.
std::int64_t StreamPool::read_stays(const std::string& path, Stays& restored) const {
  const io::MappedFile file(path);
  return read_snapshot(
      file.bytes(), *model_, path, [&](std::string_view id, const std::byte* from) {
        if (static_cast<std::int64_t>(restored.table.size()) == options_.capacity) {
          throw Error(
              fmt::format("{} holds more stays than the {} there is room for; raise the "
                          "capacity.",
                          path, options_.capacity));
        }
        const bool twice = restored.table.contains(id);
        std::byte* state = restored.slab.at(restored.add(twice ? "" : id));
        std::memcpy(state, from, model_->state_bytes());
        if (!twice && !id.empty() && id.size() <= kMostIdBytes && model_->plausible(state)) return;
        throw DamagedSnapshot(fmt::format("{} is damaged: a stay in it contradicts itself.", path));
      });
}

std::int64_t StreamPool::restore(const std::string& path) {
  Stays restored(model_->state_bytes());
  std::int64_t position = 0;
  try {
    position = read_stays(path, restored);
  } catch (const DamagedSnapshot& error) {
    const std::string previous = previous_snapshot(path);
    std::error_code ignored;
    const bool kept = std::filesystem::is_regular_file(previous, ignored);
    throw DamagedSnapshot(
        fmt::format("{} {}", error.what(), kept ? go_on_from(previous, path) : begin_anew(path)));
  }
  const std::scoped_lock lock(mutex_);
  stays_ = std::move(restored);
  position_ = position;
  return position;
}

}  // namespace salus::stream
