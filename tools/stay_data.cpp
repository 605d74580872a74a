#include "tools/stay_data.h"

#include <filesystem>

#include "engine/core/toml_text.h"
#include "engine/io/error.h"
#include "tools/command.h"

namespace salus::tools {
namespace {

std::vector<std::string> absolute(const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  paths.reserve(names.size());
  for (const auto& name : names) {
    paths.push_back(name.empty() ? name : std::filesystem::absolute(name).string());
  }
  return paths;
}

}  // namespace

void StayData::add_to(CLI::App& app) {
  app.add_option("--statics", statics, "Stays in a long table: file of static values");
  app.add_option("--labels-file", labels_file, "Stays in a long table: file of labels");
  app.add_option("--outcomes", outcomes,
                 "Stays of PhysioNet 2012 and WFDB records: files of outcomes")
      ->delimiter(',');
}

Config StayData::config(const std::string& source, const std::vector<std::string>& paths) const {
  auto config = Config::parse("", "command line");
  config.override_with("root", toml_string("/"));
  if (source != "long") {
    config.override_with("stays", toml_list(absolute(paths)));
    config.override_with("outcomes", toml_list(absolute(outcomes)));
    return config;
  }
  if (paths.size() != 1) throw UsageError("Give one table of events; a long table is one file.");
  config.override_with("events", toml_string(absolute(paths)[0]));
  config.override_with("statics", toml_string(absolute({statics})[0]));
  config.override_with("labels_file", toml_string(absolute({labels_file})[0]));
  return config;
}

std::unique_ptr<data::Source> StayData::open(const infer::Bundle& bundle,
                                             const std::vector<std::string>& paths, int threads,
                                             const data::Unreadable& unreadable) const {
  const Config transform = bundle.transform_table();
  auto data = config(transform.get_string("source", "long"), paths);
  data.override_with("check_labels", "false");
  auto source = data::open_source(data, transform, bundle.task, threads, unreadable);
  tell_remarks(*source);
  return source;
}

void tell_remarks(const data::Source& source) {
  if (const auto remarks = source.remarks(); !remarks.empty()) io::say_on_stderr(remarks);
}

}  // namespace salus::tools
