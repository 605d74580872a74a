#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace salus::train {

/// Writes scalars as TensorBoard reads them: an events.out.tfevents.* file of records
/// (length, masked CRC-32C of it, Event message, masked CRC-32C of that), in protobuf's wire
/// format. A run that is resumed adds a file to the same folder; its first event tells TensorBoard
/// to drop what an earlier file holds from `first_step` on.
class EventWriter {
 public:
  /// \throws Error if the file cannot be made.
  EventWriter(const std::string& folder, std::int64_t first_step);

  /// One event with all values; NaN is written as NaN. \throws Error if the disk is full.
  void write(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars);

  const std::string& path() const { return path_; }

 private:
  void record(const std::string& event);
  std::string path_;
  std::ofstream file_;
};

}  // namespace salus::train
