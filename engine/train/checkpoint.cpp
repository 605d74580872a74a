#include "engine/train/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/infer/weights.h"
#include "engine/io/crc32c.h"
#include "engine/io/error.h"

namespace salus::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

double number(const Json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

Json to_json(const RunState& state) {
  Json json;
  json["format"] = kFormat;
  json["epoch"] = state.epoch;
  json["batch"] = state.batch;
  json["step"] = state.step;
  json["seconds"] = state.seconds;
  json["epoch_seconds"] = state.epoch_seconds;
  json["schedule"] = {{"best", state.schedule.best},
                      {"has_best", state.schedule.has_best},
                      {"bad_epochs", state.schedule.bad_epochs},
                      {"reductions", state.schedule.reductions}};
  json["early"] = {{"best", state.early_best},
                   {"has_best", state.has_early_best},
                   {"bad_epochs", state.early_bad_epochs}};
  json["finished"] = state.finished;
  json["cases"] = state.cases;
  json["batch_size"] = state.batch_size;
  json["history"] = Json::array();
  for (const EpochRow& row : state.history) {
    Json values = Json::array();
    for (const auto& [key, value] : row.values) values.push_back({key, value});
    json["history"].push_back({{"epoch", row.epoch}, {"step", row.step}, {"values", values}});
  }
  json["best"] = Json::array();
  for (const BestEntry& entry : state.best) {
    json["best"].push_back(
        {{"epoch", entry.epoch}, {"metric", entry.metric}, {"file", entry.file}});
  }
  return json;
}

RunState from_json(const Json& json) {
  RunState state;
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("step").get_to(state.step);
  json.at("seconds").get_to(state.seconds);
  json.at("epoch_seconds").get_to(state.epoch_seconds);
  const Json& schedule = json.at("schedule");
  schedule.at("best").get_to(state.schedule.best);
  schedule.at("has_best").get_to(state.schedule.has_best);
  schedule.at("bad_epochs").get_to(state.schedule.bad_epochs);
  schedule.at("reductions").get_to(state.schedule.reductions);
  const Json& early = json.at("early");
  early.at("best").get_to(state.early_best);
  early.at("has_best").get_to(state.has_early_best);
  early.at("bad_epochs").get_to(state.early_bad_epochs);
  json.at("finished").get_to(state.finished);
  json.at("cases").get_to(state.cases);
  json.at("batch_size").get_to(state.batch_size);
  for (const Json& item : json.at("history")) {
    EpochRow row{item.at("epoch"), item.at("step"), {}};
    for (const Json& pair : item.at("values"))
      row.values.emplace_back(pair.at(0), number(pair.at(1)));
    state.history.push_back(std::move(row));
  }
  for (const Json& item : json.at("best")) {
    state.best.push_back({item.at("epoch"), number(item.at("metric")), item.at("file")});
  }
  return state;
}

/// Over names, types, values and the state, in name order.
std::string checksum(const io::NamedArrays& arrays, const std::string& state) {
  std::uint32_t crc = io::crc32c(std::as_bytes(std::span(state)));
  for (const auto& [name, array] : arrays) {
    crc = io::crc32c(std::as_bytes(std::span(name)), crc);
    crc = io::crc32c(std::as_bytes(std::span(array.dtype)), crc);
    crc = io::crc32c(array.bytes, crc);
  }
  return fmt::format("{:08x}", crc);
}

io::NamedArrays to_arrays(const std::map<std::string, at::Tensor>& tensors) {
  io::NamedArrays arrays;
  for (const auto& [name, tensor] : tensors) arrays[name] = infer::to_array(tensor, name);
  return arrays;
}

void write_checked(const std::map<std::string, at::Tensor>& tensors, const std::string& state,
                   const std::string& path) {
  const auto arrays = to_arrays(tensors);
  try {
    io::write_safetensors(path, arrays,
                          {{"salus.state", state}, {"salus.crc32c", checksum(arrays, state)}});
  } catch (const Error& error) {
    throw Error(
        fmt::format("The checkpoint {} could not be written; what was there before is still "
                    "whole. Mend the cause and go on with --resume. {}",
                    path, error.what()));
  }
}

std::map<std::string, at::Tensor> read_checked(const std::string& path, std::string& state) {
  std::map<std::string, std::string> metadata;
  const auto arrays = io::read_safetensors(path, &metadata);
  if (!metadata.contains("salus.state") || !metadata.contains("salus.crc32c")) {
    throw Error(fmt::format("{} is not a checkpoint of salus train.", path));
  }
  state = metadata.at("salus.state");
  if (checksum(arrays, state) != metadata.at("salus.crc32c")) {
    throw Error(
        fmt::format("{} is damaged: its checksum does not match. Resume from another "
                    "checkpoint, or train anew.",
                    path));
  }
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, array] : arrays) tensors[name] = infer::to_tensor(array, name);
  return tensors;
}

}  // namespace

std::map<std::string, at::Tensor> Checkpoint::part(const std::string& prefix) const {
  std::map<std::string, at::Tensor> part;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) part[name.substr(prefix.size())] = tensor;
  }
  return part;
}

void Checkpoint::add(const std::string& prefix, const std::map<std::string, at::Tensor>& more) {
  for (const auto& [name, tensor] : more) tensors[prefix + name] = tensor;
}

void save_checkpoint(const Checkpoint& checkpoint, const std::string& path) {
  write_checked(checkpoint.tensors, to_json(checkpoint.state).dump(), path);
}

Checkpoint load_checkpoint(const std::string& path) {
  Checkpoint checkpoint;
  std::string state;
  checkpoint.tensors = read_checked(path, state);
  const Json json = Json::parse(state, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("format")) {
    throw Error(fmt::format("{} holds weights, not the state of a run.", path));
  }
  if (json.at("format") != kFormat) {
    throw Error(fmt::format("{} was written by another version (format {}, this one reads {}).",
                            path, json.at("format").dump(), kFormat));
  }
  checkpoint.state = from_json(json);
  return checkpoint;
}

void save_weights(const std::map<std::string, at::Tensor>& weights, const std::string& path) {
  write_checked(weights, "{}", path);
}

std::map<std::string, at::Tensor> load_weights(const std::string& path) {
  std::string state;
  return read_checked(path, state);
}

}  // namespace salus::train
