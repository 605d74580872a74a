#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/image_dataset.h"
#include "engine/infer/session.h"

namespace salus::tools {

/// Where the cases of an evaluation are: DATA and the options that describe it.
struct EvaluationData {
  std::string path, part = "test", root, label, patient, file;
  std::vector<std::string> subgroups;

  void add_to(CLI::App& app);
  /// The [data] table that these options amount to.
  Config config() const;
  std::unique_ptr<data::ImageDataset> open(const infer::Session& session, int threads) const;
};

}  // namespace salus::tools
