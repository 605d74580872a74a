#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/data/source.h"
#include "engine/infer/bundle.h"

namespace salus::tools {

/// Where stays of vital signs are: the files beside the main one.
struct StayData {
  std::string statics, labels_file;   ///< of a long table
  std::vector<std::string> outcomes;  ///< of PhysioNet 2012, and of WFDB records

  void add_to(CLI::App& app);
  /// The [data] table for `paths` as files of `source` ("physionet2012", "physionet2019", "long",
  /// "wfdb").
  /// \throws UsageError for several tables of a long source.
  Config config(const std::string& source, const std::vector<std::string>& paths) const;
  /// The stays at `paths`, in the files that the bundle was made for; what is to be remarked of them
  /// goes to standard error. \throws also as open_source().
  std::unique_ptr<data::Source> open(const infer::Bundle& bundle,
                                     const std::vector<std::string>& paths, int threads,
                                     const data::Unreadable& unreadable = {}) const;
};

/// Says on stderr what a user should know of the data; nothing if there is nothing.
void tell_remarks(const data::Source& source);

}  // namespace salus::tools
