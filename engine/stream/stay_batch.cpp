#include "engine/stream/stay_batch.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace salus::stream {
namespace {

using Kind = MappedEvent::Kind;

/// Of a kind that is not put into the grid.
Fate fate_of(Kind kind) {
  switch (kind) {
    case Kind::kUnknownVariable:
      return Fate::kUnknownVariable;
    case Kind::kUnknownUnit:
      return Fate::kUnknownUnit;
    default:
      return Fate::kNothing;
  }
}

/// The count of a stay that a fate adds to; null: none (kRepeated: counted with those that are taken).
std::uint32_t* count_of(Fate fate, StreamCounts& counts) {
  switch (fate) {
    case Fate::kUsed:
      return &counts.used;
    case Fate::kMissing:
      return &counts.missing;
    case Fate::kTimeless:
      return &counts.timeless;
    case Fate::kFuture:
      return &counts.future;
    case Fate::kUnsorted:
      return &counts.unsorted;
    case Fate::kUnknownVariable:
      return &counts.unknown_variable;
    case Fate::kUnknownUnit:
      return &counts.unknown_unit;
    case Fate::kOutsideRange:
      return &counts.outside_range;
    case Fate::kOutsideGrid:
      return &counts.outside_grid;
    case Fate::kLate:
      return &counts.late;
    case Fate::kNothing:
    case Fate::kRepeated:
      return nullptr;
  }
  return nullptr;
}

void count(Fate fate, StreamCounts& counts) {
  if (std::uint32_t* one = count_of(fate, counts)) ++*one;
}

}  // namespace

StayBatch::StayBatch(const StreamModel& model, std::int64_t most) : model_(model), most_(most) {
  TORCH_CHECK(most >= 1, "a batch has room for one stay or more");
  const auto rows = static_cast<std::size_t>(most);
  const auto variables = static_cast<std::size_t>(model.grid().variables());
  for (auto* inputs : {&values_, &mask_, &delta_}) inputs->resize(rows * variables);
  statics_.resize(rows * static_cast<std::size_t>(model.static_width()));
  logits_.resize(rows * model.labels().size());
  pasts_.resize(rows);
  networks_.resize(rows);
  copies_.resize(rows * (model.network().state_bytes() / sizeof(std::uint64_t)));
  workspace_.resize((model.network().workspace_bytes(most) + sizeof(Line) - 1) / sizeof(Line));
}

void StayBatch::run(std::span<MappedEvent> events, std::span<StayWork> stays) {
  TORCH_CHECK(static_cast<std::int64_t>(stays.size()) <= most_,
              "more stays than there is room for");
  for (StayWork& stay : stays) {
    stay.goal = model_.header(stay.state).open;
    stay.changed = false;
  }
  do {
    rows_ = 0;
    for (StayWork& stay : stays) {
      if (!prepare(events, stay)) continue;
      const auto past = pasts_[static_cast<std::size_t>(rows_)];
      add_row(stay.state, past, past.network);
    }
    step();
    const auto variables = static_cast<std::size_t>(model_.grid().variables());
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows_); ++row) {
      const StreamModel::Past& past = pasts_[row];
      model_.grid().carry_over(past.carry, *past.bin, values_.data() + row * variables,
                               mask_.data() + row * variables);
      ++*past.bin;
    }
  } while (rows_ > 0);
  score(stays);
}

/// Takes events until bins must be closed. \returns whether the stay takes part in the next step, by
/// the past that stands at pasts_[rows_].
bool StayBatch::prepare(std::span<MappedEvent> events, StayWork& stay) {
  while (true) {
    while (stay.event >= 0 && stay.goal == model_.header(stay.state).open) {
      MappedEvent& event = events[static_cast<std::size_t>(stay.event)];
      if (take(event, stay)) stay.event = event.next;
    }
    if (next_step(stay)) return true;
    if (stay.event < 0) return false;
  }
}

/// Opens bins up to the goal as long as nothing must be stepped for that. At the end head() is at the
/// open bin, and base() at the oldest one that is kept.
bool StayBatch::next_step(StayWork& stay) {
  StayHeader& header = model_.header(stay.state);
  const StreamModel::Past head = model_.head(stay.state), base = model_.base(stay.state);
  auto& chosen = pasts_[static_cast<std::size_t>(rows_)];
  while (true) {
    const std::int32_t opening = header.open + 1;
    chosen = head;
    if (*head.bin < header.open) return true;
    if (header.open == stay.goal) return false;
    if (header.open >= 0 && *head.bin == header.open) return true;
    chosen = base;
    if (*base.bin <= header.open - model_.options().history && header.open >= 0) return true;
    model_.grid().open(model_.cells(stay.state), opening);
    header.open = opening;
    stay.changed = true;
  }
}

/// What becomes of an event whatever bins there are; kUsed: that is not settled yet.
Fate StayBatch::fate_before_bins(const MappedEvent& event, const StayHeader& header) const {
  const bool measured = event.kind != Kind::kTime;
  if (!std::isfinite(event.time)) return measured ? Fate::kTimeless : Fate::kNothing;
  if (measured && !std::isfinite(event.value)) return Fate::kMissing;
  if (event.time > model_.options().latest) return Fate::kFuture;
  const bool any_order = model_.options().unsorted == io::RowPolicy::kAccept;
  if (measured && !any_order && event.time < header.heard) return Fate::kUnsorted;
  return Fate::kUsed;
}

/// \returns false if the event's bin must be opened first.
bool StayBatch::take(MappedEvent& event, StayWork& stay) {
  StayHeader& header = model_.header(stay.state);
  event.fate = fate_before_bins(event, header);
  if (event.fate != Fate::kUsed) {
    count(event.fate, header.counts);
    return true;
  }
  const std::int32_t bin = model_.grid().bin(event.time);
  const std::int32_t opens = std::min(bin, model_.grid().steps() - 1);
  if (opens > header.open) {
    stay.goal = opens;
    return false;
  }
  header.clock = std::max(header.clock, event.time);
  if (event.kind != Kind::kTime) header.heard = std::max(header.heard, event.time);
  event.fate = event.kind == Kind::kMeasured ? put(event, bin, stay) : fate_of(event.kind);
  count(event.fate, header.counts);
  return true;
}

Fate StayBatch::put(const MappedEvent& event, std::int32_t bin, StayWork& stay) {
  StayHeader& header = model_.header(stay.state);
  StreamCounts& counts = header.counts;
  const bool plausible = model_.grid().plausible(event.variable, event.value);
  const bool inside = bin >= 0 && bin < model_.grid().steps();
  if (!inside) return plausible ? Fate::kOutsideGrid : Fate::kOutsideRange;
  if (bin < header.open && bin < header.open - model_.options().history) return Fate::kLate;
  counts.replayed += bin < header.open;
  const auto added =
      model_.grid().add(model_.cells(stay.state), bin, event.time, event.variable, event.value);
  counts.repeated += added != StayGrid::Added::kFresh;
  if (added == StayGrid::Added::kRefused) return Fate::kRepeated;
  const Fate fate = plausible ? Fate::kUsed : Fate::kOutsideRange;
  if (!plausible && added == StayGrid::Added::kFresh) return fate;
  stay.changed = true;
  if (bin < *model_.head(stay.state).bin) model_.rewind(stay.state);
  return fate;
}

void StayBatch::add_row(std::byte* state, const StreamModel::Past& past, std::byte* network) {
  const auto row = static_cast<std::size_t>(rows_++);
  const std::size_t at = row * static_cast<std::size_t>(model_.grid().variables());
  const auto width = static_cast<std::size_t>(model_.static_width());
  model_.grid().row(model_.cells(state), past.carry, *past.bin, values_.data() + at,
                    mask_.data() + at, delta_.data() + at);
  std::copy_n(model_.statics(state), width, statics_.data() + row * width);
  networks_[row] = network;
}

void StayBatch::step() {
  if (rows_ == 0) return;
  const StepInput input{rows_, values_.data(), mask_.data(), delta_.data(), statics_.data()};
  model_.network().step(input, networks_.data(), logits_.data(),
                        reinterpret_cast<std::byte*>(workspace_.data()));
}

void StayBatch::score(std::span<StayWork> stays) {
  const std::size_t bytes = model_.network().state_bytes(), labels = model_.labels().size();
  auto* copies = reinterpret_cast<std::byte*>(copies_.data());
  for (const StayWork& stay : stays) {
    if (!stay.changed) continue;
    const StreamModel::Past head = model_.head(stay.state);
    std::byte* copy = copies + static_cast<std::size_t>(rows_) * bytes;
    std::memcpy(copy, head.network, bytes);
    add_row(stay.state, head, copy);
  }
  step();
  const float* logits = logits_.data();
  for (const StayWork& stay : stays) {
    if (!stay.changed) continue;
    std::copy_n(logits, labels, model_.logits(stay.state));
    logits += labels;
  }
}

}  // namespace salus::stream
