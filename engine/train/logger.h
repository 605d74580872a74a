#pragma once

#include <memory>
#include <string>

#include "engine/train/history.h"
#include "engine/train/tensorboard.h"

namespace salus::train {

/// log.csv, log.jsonl (one object per epoch; NaN is null) and TensorBoard events in one folder.
class Logger {
 public:
  /// \param history  epochs that a resumed run has behind it; the logs begin with them, and with
  ///                 nothing else that an interrupted run may have left.
  /// \throws Error if a file cannot be written; so does append().
  Logger(std::string folder, const History& history);

  void append(const EpochRow& row);

 private:
  std::string folder_;
  EventWriter events_;
};

/// A row as a line of CSV (and the header it belongs to), and as a JSON object.
std::string csv_header(const EpochRow& row);
std::string csv_line(const EpochRow& row);
std::string json_line(const EpochRow& row);

}  // namespace salus::train
