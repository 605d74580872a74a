#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/source.h"
#include "engine/infer/session.h"
#include "tools/stay_data.h"

namespace salus::tools {

/// Where the cases of an evaluation are: DATA and the options that describe it.
struct EvaluationData {
  std::string path, part = "test", root, label, patient, file;
  StayData stays;
  std::vector<std::string> subgroups;

  void add_to(CLI::App& app);
  /// The [data] table that these options amount to for the files that `transform` takes.
  Config config(const Config& transform) const;
  std::unique_ptr<data::Dataset> open(const infer::Session& session, int threads) const;

 private:
  Config image_config() const;
};

}  // namespace salus::tools
