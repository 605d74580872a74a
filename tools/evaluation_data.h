#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/source.h"
#include "engine/infer/predict_cases.h"
#include "engine/infer/session.h"
#include "tools/stay_data.h"

namespace salus::tools {

/// The cases of an evaluation, and what a bundle says of them.
struct EvaluationCases {
  std::unique_ptr<data::Dataset> dataset;  ///< those that could be read
  infer::ScoredCases scored;               ///< of them
  std::size_t unreadable = 0;              ///< that were left out
};

/// Where the cases of an evaluation are: DATA and the options that describe it.
struct EvaluationData {
  std::string path, root, label, patient, file, split_column;
  std::optional<std::string> part;  ///< of data that are divided; else "test"
  StayData stays;
  std::vector<std::string> subgroups;

  void add_to(CLI::App& app);
  /// The [data] table that these options amount to for the files that `transform` takes.
  Config config(const Config& transform) const;
  /// Reads and scores them.
  /// \param unreadable  told of each image, or stay with a file of its own, that cannot be read.
  /// \throws Error if none can be read, if there are none in the part that is asked for, or if none of
  ///         them has a known label.
  EvaluationCases score(const infer::Session& session, int threads,
                        const data::Unreadable& unreadable) const;

 private:
  std::vector<std::int64_t> of_part(const std::vector<data::CaseInfo>& cases) const;
  Config image_config() const;
  void refuse_options_without_columns(const char* of) const;
};

}  // namespace salus::tools
