#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/source.h"
#include "engine/infer/session.h"
#include "tools/stay_data.h"

namespace salus::tools {

/// Where the cases of an evaluation are: DATA and the options that describe it.
struct EvaluationData {
  std::string path, root, label, patient, file, split_column;
  std::optional<std::string> part;  ///< of data that are divided; else "test"
  StayData stays;
  std::vector<std::string> subgroups;

  void add_to(CLI::App& app);
  /// The [data] table that these options amount to for the files that `transform` takes.
  Config config(const Config& transform) const;
  std::unique_ptr<data::Dataset> open(const infer::Session& session, int threads) const;

 private:
  Config image_config() const;
  void refuse_options_without_columns(const char* of) const;
};

}  // namespace salus::tools
