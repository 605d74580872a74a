#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/io/error.h"
#include "engine/similar/ids.h"
#include "engine/similar/query.h"
#include "engine/similar/sharded.h"
#include "tools/similar.h"

namespace salus::tools {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  Common common;
  std::string index, queries, id, table;
  similar::QueryOptions query;
  bool no_verify = false;
};

/// The shortest decimal that is this float32: 0.1, not 0.10000000149011612.
Json number(float value) { return std::stod(fmt::format("{}", value)); }

/// Ids that are whole numbers are numbers in the output, as they are in the index.
Json id_json(const std::string& id, similar::IdKind kind) {
  const auto integer = kind == similar::IdKind::kInteger ? similar::integer_id(id) : std::nullopt;
  return integer ? Json(*integer) : Json(id);
}

Json value_json(const similar::AttributeValue& value) {
  if (const auto* real = std::get_if<double>(&value)) {
    const bool whole = *real == std::floor(*real) && std::abs(*real) < 1e15;
    return whole ? Json(static_cast<std::int64_t>(*real)) : Json(*real);
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nullptr;
}

void print_answer(const similar::Answer& answer, const similar::Manifest& manifest,
                  similar::IdKind query_ids, const std::vector<std::string>& shown) {
  Json line;
  line["id"] = id_json(answer.id, query_ids);
  line["neighbours"] = Json::array();
  for (const auto& neighbour : answer.neighbours) {
    Json one = {{"id", id_json(neighbour.id, manifest.ids)}, {"score", number(neighbour.score)}};
    for (std::size_t i = 0; i < shown.size(); ++i) {
      one["attributes"][shown[i]] = value_json(neighbour.attributes[i]);
    }
    line["neighbours"].push_back(std::move(one));
  }
  line["certain"] = answer.certain;
  if (!answer.certain) {
    line["bound"] = std::isfinite(answer.bound) ? number(answer.bound) : Json(nullptr);
  }
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// Under torchrun each process takes the GPU of its own number.
std::string device_of(const Common& common) {
  const char* local = std::getenv("LOCAL_RANK");
  return common.device == "cuda" && local != nullptr ? fmt::format("cuda:{}", local)
                                                     : common.device;
}

int query(Options& options) {
  options.common.apply();
  options.query.verify = !options.no_verify;
  const auto group = ProcessGroup::from_environment();
  const auto index = similar::open_together(options.index, group);
  auto vectors = similar::query_vectors(index, options.query);
  vectors.table = options.table;
  if (!options.id.empty()) {
    vectors.id = options.id;
    vectors.id_is_optional = false;
  }
  const auto queries = similar::read_vectors(options.queries, vectors);
  const auto kind = similar::id_kind(queries.ids);
  std::int64_t unusable = 0;
  similar::run_queries(index, group, device_of(options.common), queries, options.query,
                       [&](const similar::Answer& answer) {
                         print_answer(answer, index.manifest(), kind, options.query.show);
                         unusable += answer.usable ? 0 : 1;
                       });
  if (unusable == 0) return kDone;
  io::say_on_stderr(fmt::format(
      "{} of {} queries have missing or infinite values, or are zero, and find nothing.", unusable,
      queries.rows));
  return unusable == queries.rows ? kFailed : kSomeSkipped;
}

}  // namespace

void add_similar_query(CLI::App& similar, int& exit_status) {
  auto options = std::make_shared<Options>();
  auto* command = similar.add_subcommand(
      "query",
      "Find the nearest rows: JSON Lines, one query each; under torchrun on many processes");
  command->add_option("INDEX", options->index, "Folder of the index")->required();
  command->add_option("QUERIES", options->queries, "CSV, Parquet, or NPY [Q, D]")->required();
  command->add_option("-k", options->query.k, "Neighbours per query, 1 to 1024")
      ->capture_default_str();
  command->add_flag("--exact", options->query.exact,
                    "Search on until every query is certain (else \"certain\" and \"bound\" tell)");
  command
      ->add_option(
          "--where", options->query.conditions,
          "Only rows like site=A, age>=60, view!=AP; repeated: all of them. Spaces around a "
          "value count neither here nor in the rows; site= asks for rows without one")
      ->take_all();
  command->add_option(
      "--same", options->query.same,
      "Only rows that equal the query in this attribute (same site), compared as by "
      "--where");
  command->add_flag("--exclude-self", options->query.exclude_self,
                    "A query does not find the row with its own id");
  command->add_option("--show", options->query.show, "Attributes to give for each neighbour: a,b")
      ->delimiter(',');
  command->add_option("--id", options->id, "Column of the queries' ids (default: as in the index)");
  command->add_option("--table", options->table,
                      "Table with the attributes of queries in NPY, matched by --id");
  command->add_flag("--no-verify", options->no_verify,
                    "Do not check the checksums of the rows first");
  options->common.add_to(*command);
  command->callback([options, &exit_status] { exit_status = query(*options); });
}

}  // namespace salus::tools
