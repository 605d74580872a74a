#include "engine/stream/vitals_stream.h"

#include <algorithm>
#include <cstring>

#include "engine/io/error.h"
#include "engine/stream/snapshot.h"

namespace salus::stream {

VitalsStream::VitalsStream(std::shared_ptr<const StreamModel> model, std::span<const float> statics)
    : model_(std::move(model)),
      names_(model_->variables()),
      batch_(*model_, 1),
      state_(model_->state_bytes() / sizeof(std::uint64_t)),
      risk_(model_->blank_risk()) {
  model_->start(state(), statics.empty() ? std::span(model_->no_statics()) : statics);
  model_->judge(state(), risk_, false);
}

const Risk& VitalsStream::run(MappedEvent event) {
  StayWork work{state(), 0};
  batch_.run({&event, 1}, {&work, 1});
  fate_ = event.fate;
  model_->judge(state(), risk_, true);
  return risk_;
}

const Risk& VitalsStream::push(const StreamEvent& event) { return run(names_.map(event)); }

const Risk& VitalsStream::advance(double time) { return push({.time = time}); }

const Risk& VitalsStream::look(double now) {
  double& seen = model_->header(state()).now;
  seen = std::max(seen, now);
  model_->judge(state(), risk_, false);
  return risk_;
}

const StreamCounts& VitalsStream::counts() const {
  return model_->header(reinterpret_cast<const std::byte*>(state_.data())).counts;
}

std::vector<std::byte> VitalsStream::save() const {
  Snapshot snapshot(*model_);
  snapshot.add("", reinterpret_cast<const std::byte*>(state_.data()));
  return std::move(snapshot).finish(0);
}

void VitalsStream::restore(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> restored;
  read_snapshot(bytes, *model_, "The saved stay", [&](std::string_view, const std::byte* from) {
    restored.resize(state_.size());
    std::memcpy(restored.data(), from, model_->state_bytes());
    if (!model_->plausible(reinterpret_cast<const std::byte*>(restored.data()))) restored.clear();
  });
  if (restored.empty()) throw Error("The saved stay is damaged: its bins contradict each other.");
  state_ = std::move(restored);
  model_->judge(state(), risk_, false);
}

}  // namespace salus::stream
