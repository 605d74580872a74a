#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/stream/stream_model.h"

namespace salus::stream {

/// The static values of stays, in a file that may be written anew while stays come: CSV or Parquet with
/// stay_id, optionally patient_id, and numbers (io::LongTableFiles::statics).
class StaticsFile {
 public:
  /// \throws Error as find().
  StaticsFile(std::string path, std::shared_ptr<const StreamModel> model);

  /// Static inputs [S] of a stay; empty if the file does not name it. A stay that is not known lets the
  /// file be read again if it has changed.
  /// \throws Error if it cannot be read, or names a stay twice; what was known of others stays known.
  std::span<const float> find(std::string_view stay);

 private:
  bool changed();
  void read();

  std::string path_;
  std::shared_ptr<const StreamModel> model_;
  std::filesystem::file_time_type time_{};
  std::uintmax_t size_ = 0;
  std::unordered_map<std::string, std::size_t> rows_;
  std::vector<float> values_;  ///< [rows, S]
};

}  // namespace salus::stream
