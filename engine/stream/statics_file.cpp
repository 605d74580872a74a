#include "engine/stream/statics_file.h"

#include <fmt/core.h>

#include <limits>

#include "engine/io/error.h"
#include "engine/io/vitals_labels.h"

namespace salus::stream {

StaticsFile::StaticsFile(std::string path, std::shared_ptr<const StreamModel> model)
    : path_(std::move(path)), model_(std::move(model)) {
  changed();
  read();
}

bool StaticsFile::changed() {
  std::error_code missing;
  const auto time = std::filesystem::last_write_time(path_, missing);
  const auto size = missing ? size_ : std::filesystem::file_size(path_, missing);
  if (missing || (time == time_ && size == size_)) return false;
  time_ = time;
  size_ = size;
  return true;
}

void StaticsFile::read() {
  io::NumberTable table =
      io::read_numbers(path_, "stay_id", {"patient_id"}, std::numeric_limits<float>::quiet_NaN());
  std::unordered_map<std::string, std::size_t> rows;
  for (std::size_t i = 0; i < table.ids.size(); ++i) {
    if (rows.emplace(table.ids[i], i).second) continue;
    throw Error(
        fmt::format("{} {} is the second row about its stay; keep one.", path_, table.places[i]));
  }
  io::VitalsTable stays;
  stays.ids = std::move(table.ids);
  stays.static_names = std::move(table.names);
  stays.statics = std::move(table.numbers);
  const at::Tensor inputs = model_->statics(stays);
  values_.assign(inputs.const_data_ptr<float>(), inputs.const_data_ptr<float>() + inputs.numel());
  rows_ = std::move(rows);
}

std::span<const float> StaticsFile::find(std::string_view stay) {
  auto found = rows_.find(std::string(stay));
  if (found == rows_.end() && changed()) {
    read();
    found = rows_.find(std::string(stay));
  }
  if (found == rows_.end()) return {};
  const auto width = static_cast<std::size_t>(model_->static_width());
  return std::span(values_).subspan(found->second * width, width);
}

}  // namespace salus::stream
