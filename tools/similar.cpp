#include "tools/similar.h"

#include <fmt/format.h>

#include <iostream>

#include "engine/io/error.h"
#include "engine/similar/index_writer.h"
#include "engine/similar/vectors.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

/// Options of all subcommands but query; each uses its own.
struct Options {
  Common common;
  std::string index, source, metric = "cosine", dtype = "bf16", id, table;
  std::vector<std::string> columns, attributes, ids, conditions;
  bool originals = false, standardise = false, force = false, replace = false;
};

/// What rows that no search will find do to the exit status, and the words about them.
int added(const Options& options, const similar::AppendReport& report, Json printed) {
  printed["unfindable"] = report.unfindable;
  print_similar_report(printed, options.common.json);
  if (report.unfindable == 0) return kDone;
  io::say_on_stderr(fmt::format(
      "{} of {} rows have missing or infinite values, or are zero, and will never be found.",
      report.unfindable, report.added));
  return kSomeSkipped;
}

int build(const Options& options) {
  options.common.apply();
  const similar::IndexSettings settings{similar::parse_metric(options.metric),
                                        similar::parse_dtype(options.dtype), options.originals,
                                        options.standardise};
  similar::VectorOptions vectors;
  vectors.id = options.id;
  vectors.columns = options.columns;
  vectors.table = options.table;
  for (const auto& name : options.attributes) vectors.attributes.push_back({name, {}});
  const auto source = similar::read_vectors(options.source, vectors);
  const auto report = similar::IndexWriter::create(options.index, settings, source, options.force);
  return added(options, report,
               {{"index", options.index}, {"rows", report.added}, {"dim", source.dim}});
}

int append(const Options& options) {
  options.common.apply();
  similar::IndexWriter writer(options.index);
  auto vectors = similar::options_for(writer.index().manifest(), true);
  vectors.table = options.table;
  if (!options.id.empty()) {
    vectors.id = options.id;
    vectors.id_is_optional = false;
  }
  const auto source = similar::read_vectors(options.source, vectors);
  const auto report = writer.append(source, options.replace);
  const auto& manifest = writer.index().manifest();
  return added(options, report,
               {{"index", options.index},
                {"added", report.added},
                {"replaced", report.replaced},
                {"rows", manifest.rows() - manifest.deleted()}});
}

/// The ids named, or with "-" those on standard input, one a line.
std::vector<std::string> ids_of(const Options& options) {
  std::vector<std::string> ids;
  for (const std::string& id : options.ids) {
    if (id != "-") {
      ids.push_back(id);
      continue;
    }
    for (std::string line; std::getline(std::cin, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) ids.push_back(line);
    }
  }
  return ids;
}

int remove(const Options& options) {
  options.common.apply();
  if (options.ids.empty() == options.conditions.empty()) {
    throw UsageError("Name the rows to delete either by their ids or by --where.");
  }
  similar::IndexWriter writer(options.index);
  std::vector<similar::Condition> conditions;
  for (const std::string& text : options.conditions) {
    conditions.push_back(similar::parse_condition(text, writer.index().manifest()));
  }
  const auto report =
      conditions.empty() ? writer.remove(ids_of(options)) : writer.remove(conditions);
  const auto& manifest = writer.index().manifest();
  print_similar_report({{"index", options.index},
                        {"deleted", report.removed},
                        {"unknown", report.unknown.size()},
                        {"rows", manifest.rows() - manifest.deleted()}},
                       options.common.json);
  if (report.removed > 0) {
    io::say_on_stderr("Deleted rows are never found; `salus similar compact` erases their bytes.");
  }
  for (const std::string& id : report.unknown) io::say_on_stderr("unknown: " + id);
  if (report.unknown.empty()) return kDone;
  return report.removed == 0 ? kFailed : kSomeSkipped;
}

int compact(const Options& options) {
  options.common.apply();
  similar::IndexWriter writer(options.index);
  const auto before = writer.index().parts().size();
  const auto erased = writer.compact();
  const auto& index = writer.index();
  print_similar_report({{"index", options.index},
                        {"erased", erased},
                        {"rows", index.rows()},
                        {"segments_before", before},
                        {"segments", index.parts().size()}},
                       options.common.json);
  return kDone;
}

Json describe(const similar::Index& index, const std::string& path) {
  const auto& manifest = index.manifest();
  std::int64_t bytes = 0, unfindable = 0;
  for (const auto& part : index.parts()) {
    bytes += part->segment.file_bytes();
    unfindable += part->segment.unfindable();
  }
  Json out = {{"index", path},
              {"metric", similar::to_string(manifest.metric)},
              {"dtype", similar::dtype_name(manifest.dtype)},
              {"originals", manifest.originals},
              {"dim", manifest.dim},
              {"rows", manifest.rows() - manifest.deleted()},
              {"deleted", manifest.deleted()},
              {"unfindable", unfindable},
              {"segments", index.parts().size()},
              {"bytes", bytes},
              {"generation", manifest.generation}};
  out["ids"] = manifest.numbered                           ? "numbered"
               : manifest.ids == similar::IdKind::kInteger ? "integer"
                                                           : "text";
  out["id_column"] = manifest.id_column;
  out["columns"] = manifest.columns;
  out["standardised"] = !manifest.mean.empty();
  out["attributes"] = Json::object();
  for (const auto& type : manifest.attributes) {
    out["attributes"][type.name] = type.kind == similar::AttributeKind::kNumber ? "number" : "text";
  }
  return out;
}

int inspect(const Options& options) {
  options.common.apply();
  const auto index = similar::Index::open(options.index);
  index.verify();
  auto report = describe(index, options.index);
  report["checksums"] = "right";
  print_similar_report(report, options.common.json);
  return kDone;
}

void add_build(CLI::App& similar, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = similar.add_subcommand("build", "Make an index of a table or of embeddings");
  command
      ->add_option("SOURCE", options->source,
                   "CSV, Parquet, or NPY [N, D] as `salus predict --embeddings` writes it")
      ->required();
  command->add_option("--out", options->index, "Folder of the index")->required();
  command->add_option("--metric", options->metric, "cosine, ip (inner product) or l2")
      ->capture_default_str();
  command->add_option("--dtype", options->dtype, "Stored rows: bf16, f16, f32 or int8")
      ->capture_default_str();
  command->add_flag("--originals", options->originals,
                    "Keep the float32 rows too: scores are then theirs, not those of rounded rows");
  command->add_option("--id", options->id, "Column of ids (default: rows are numbered)");
  command
      ->add_option("--columns", options->columns,
                   "Columns of the vector: a,b (default: all that are not id or attribute)")
      ->delimiter(',');
  command
      ->add_option("--attributes", options->attributes, "Columns that --where can ask about: a,b")
      ->delimiter(',');
  command->add_option("--table", options->table,
                      "Table with the attributes of an NPY's rows, matched by --id");
  command->add_flag("--standardise", options->standardise,
                    "Each value less its mean, by its standard deviation; queries likewise");
  command->add_flag("--force", options->force, "Replace an index that is there");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = build(*options); });
}

void add_append(CLI::App& similar, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = similar.add_subcommand("append", "Add rows to an index");
  command->add_option("INDEX", options->index, "Folder of the index")->required();
  command->add_option("SOURCE", options->source, "CSV, Parquet or NPY, as for build")->required();
  command->add_option("--id", options->id, "Column of ids (default: as in the index)");
  command->add_option("--table", options->table,
                      "Table with the attributes of an NPY's rows, matched by --id");
  command->add_flag("--replace", options->replace, "Rows with an id of the new ones are deleted");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = append(*options); });
}

void add_delete(CLI::App& similar, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = similar.add_subcommand("delete", "Delete rows, as when consent is withdrawn");
  command->add_option("INDEX", options->index, "Folder of the index")->required();
  command->add_option("ID", options->ids, "Ids; - reads them from standard input, one a line");
  command
      ->add_option("--where", options->conditions,
                   "Rows like site=A, age>=60; repeated: all. Spaces around a value count neither "
                   "here nor in the rows")
      ->take_all();
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = remove(*options); });
}

void add_simple(CLI::App& similar, const char* name, const char* help, int (*run)(const Options&),
                int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = similar.add_subcommand(name, help);
  command->add_option("INDEX", options->index, "Folder of the index")->required();
  options->common.add_to(*command);
  command->callback([options, run, &exit_status] { exit_status = run(*options); });
}

}  // namespace

void print_similar_report(const Json& report, bool json) {
  if (json) {
    fmt::print("{}\n", report.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  for (const auto& [key, value] : report.items()) {
    const std::string text = value.is_string()
                                 ? value.get<std::string>()
                                 : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (!text.empty()) fmt::print("{:<16} {}\n", key, text);
  }
}

void add_similar(CLI::App& app, int& exit_status) {
  auto* similar = app.add_subcommand("similar", "Nearest rows: build, change and ask an index");
  similar->require_subcommand(1);
  add_build(*similar, exit_status);
  add_similar_query(*similar, exit_status);
  add_append(*similar, exit_status);
  add_delete(*similar, exit_status);
  add_simple(*similar, "compact", "Erase deleted rows from the files and join segments", &compact,
             exit_status);
  add_simple(*similar, "inspect", "Show what an index is, and check all its checksums", &inspect,
             exit_status);
}

}  // namespace salus::tools
