#include "engine/stream/stream_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/infer/bundle_toml.h"
#include "engine/infer/calibrated.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::stream {
namespace {

constexpr std::size_t kAlignment = 8;
constexpr std::int32_t kMostHistory = 4096;

std::string hash(std::span<const std::byte> bytes) { return io::sha256(bytes); }
std::string hash(const std::string& text) { return hash(std::as_bytes(std::span(text))); }

/// Of all that decides what is said of a stay; not of the bundle's name, metrics and card.
std::string identity_of(infer::Bundle bundle) {
  bundle.name.clear();
  std::string text = infer::write_bundle_toml(bundle, {});
  for (const auto& [name, tensor] : bundle.weights) {
    const at::Tensor plain = tensor.contiguous().cpu();
    const auto* first = static_cast<const std::byte*>(plain.const_data_ptr());
    text += fmt::format("{} {}\n", name, hash({first, static_cast<std::size_t>(plain.nbytes())}));
  }
  return hash(text);
}

void require_vitals(const infer::Bundle& bundle) {
  if (bundle.model.modality == Modality::kVitals) return;
  throw UsageError(fmt::format("The bundle '{}' takes {}; only vital signs can be streamed.",
                               bundle.name, to_string(bundle.model.modality)));
}

infer::Bundle without_weights(infer::Bundle bundle) {
  require_vitals(bundle);
  bundle.weights.clear();
  return bundle;
}

StreamOptions completed(StreamOptions options, const infer::Bundle& bundle) {
  if (!options.refractory) options.refractory = bundle.alarms.refractory;
  const data::RowRules rules = bundle.stay_transform().row_rules();
  if (!options.duplicates) options.duplicates = rules.duplicates;
  if (!options.unsorted) options.unsorted = rules.unsorted;
  if (rules.future != io::RowPolicy::kAccept)
    options.latest = std::min(options.latest, rules.latest);
  if (options.history < 0 || options.history > kMostHistory) {
    throw UsageError(fmt::format("A history of {} bins cannot be kept; 0 to {} can.",
                                 options.history, kMostHistory));
  }
  if (!(*options.refractory >= 0) || !(options.stale_after > 0)) {
    throw UsageError(fmt::format(
        "An alarm's refractory time must be 0 hours or more, and a stay goes stale after more than "
        "0 hours; they are {} and {}.",
        *options.refractory, options.stale_after));
  }
  return options;
}

std::shared_ptr<const StepNetwork> network_of(const infer::Session& session) {
  require_vitals(session.bundle());
  return session.model()->step_network();
}

}  // namespace

bool Risk::alarm() const { return std::any_of(alarms.begin(), alarms.end(), std::identity()); }

StreamModel::StreamModel(const infer::Session& session, const StreamOptions& options)
    : StreamModel(session.bundle(), network_of(session), options) {}

StreamModel::StreamModel(const infer::Bundle& bundle, std::shared_ptr<const StepNetwork> network,
                         const StreamOptions& options)
    : bundle_(without_weights(bundle)),
      transform_(bundle.stay_transform()),
      options_(completed(options, bundle)),
      future_(transform_.row_rules().future),
      grid_(transform_.grid(), options.history + 1, *options_.duplicates),
      network_(std::move(network)),
      identity_(identity_of(bundle)),
      static_width_(transform_.static_width()) {
  if (transform_.clock_rate() != 1) {
    throw Error(
        fmt::format("The bundle '{}' has steps of {} s; those of less than one second cannot "
                    "be streamed.",
                    bundle.name, transform_.step() * 3600));
  }
  if (!network_) {
    throw Error(fmt::format(
        "The model '{}' of the bundle '{}' cannot be streamed: it looks ahead, so that "
        "each new row would change what was said before. Stream a causal model, as gru, "
        "lstm or gru_d.",
        bundle.model.name, bundle.name));
  }
  for (const std::string& label : labels()) {
    raises_.push_back(bundle_.operating_point(label) != nullptr);
  }
  lay_out();
  io::VitalsTable nothing;
  nothing.ids = {""};
  const at::Tensor row = statics(nothing);
  no_statics_.assign(row.const_data_ptr<float>(), row.const_data_ptr<float>() + row.numel());
}

bool StreamModel::refuses(Fate fate) const {
  if (fate == Fate::kFuture) return future_ == io::RowPolicy::kRefuse;
  if (fate == Fate::kUnsorted) return *options_.unsorted == io::RowPolicy::kRefuse;
  return fate == Fate::kRepeated;  // else they have another fate
}

void StreamModel::lay_out() {
  std::size_t end = 0;
  const auto place = [&end](std::size_t bytes) {
    const std::size_t at = end;
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  };
  place(sizeof(StayHeader));
  alarms_at_ = place(labels().size() * sizeof(double));
  logits_at_ = place(labels().size() * sizeof(float));
  statics_at_ = place(static_cast<std::size_t>(static_width_) * sizeof(float));
  cells_at_ = place(grid_.cells_bytes());
  const std::size_t past = grid_.carry_bytes() + network_->state_bytes();
  head_at_ = place(past);
  base_at_ = options_.history > 0 ? place(past) : head_at_;
  state_bytes_ = end;
}

at::Tensor StreamModel::statics(io::VitalsTable& table) const {
  table.statics.resize(table.ids.size() * table.static_names.size(),
                       std::numeric_limits<float>::quiet_NaN());
  variables().map(table);
  std::vector<std::int64_t> all(table.ids.size());
  std::iota(all.begin(), all.end(), 0);
  return transform_.statics(table, all);
}

StreamModel::Past StreamModel::head(std::byte* state) const {
  std::byte* first = state + head_at_;
  return {&header(state).head, first, first + grid_.carry_bytes()};
}

StreamModel::Past StreamModel::base(std::byte* state) const {
  if (options_.history == 0) return head(state);
  std::byte* first = state + base_at_;
  return {&header(state).base, first, first + grid_.carry_bytes()};
}

void StreamModel::rewind(std::byte* state) const {
  const Past to = head(state), from = base(state);
  if (to.bin == from.bin) return;
  std::memcpy(to.carry, from.carry, grid_.carry_bytes() + network_->state_bytes());
  *to.bin = *from.bin;
}

void StreamModel::start(std::byte* state, std::span<const float> given) const {
  if (static_cast<std::int64_t>(given.size()) != static_width_) {
    throw Error(fmt::format("{} static values were given; the model takes {}.", given.size(),
                            static_width_));
  }
  std::memset(state, 0, state_bytes_);
  header(state) = StayHeader{};
  std::fill_n(alarms(state), labels().size(), -std::numeric_limits<double>::infinity());
  std::copy(given.begin(), given.end(), statics(state));
  for (const Past& past : {head(state), base(state)}) {
    grid_.start(past.carry);
    network_->start(statics(state), past.network, logits(state));
  }
}

Risk StreamModel::blank_risk() const {
  Risk risk;
  risk.probabilities.assign(labels().size(), std::numeric_limits<double>::quiet_NaN());
  risk.decisions.assign(labels().size(), -1);
  risk.alarms.assign(labels().size(), 0);
  return risk;
}

void StreamModel::judge(std::byte* state, Risk& risk, bool raise) const {
  const StayHeader& stay = header(state);
  risk.time = stay.clock;
  risk.bin = stay.open;
  infer::calibrate(bundle_, logits(state), risk.probabilities.data());
  infer::decide(bundle_, risk.probabilities, risk.decisions);
  for (std::size_t i = 0; i < raises_.size(); ++i) {
    if (std::isnan(risk.probabilities[i])) risk.decisions[i] = -1;
    const bool called = raise && raises_[i] && risk.decisions[i] == 1;
    const bool raised =
        called && evaluate::raise_alarm(stay.clock, *options_.refractory, alarms(state)[i]);
    risk.alarms[i] = raised ? 1 : 0;
  }
  const double silence = std::max(stay.now, stay.clock) - std::max(stay.heard, 0.0);
  risk.stale = stay.silent != 0 || silence >= options_.stale_after;
}

bool StreamModel::plausible(const std::byte* state) const {
  const StayHeader& stay = header(state);
  if (stay.open < -1 || stay.open >= grid_.steps()) return false;
  const std::int32_t base = options_.history > 0 ? std::max(0, stay.open - options_.history) : 0;
  return stay.head == std::max(0, stay.open) && stay.base == base;
}

}  // namespace salus::stream
