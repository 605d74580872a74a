#include "engine/data/row_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/io/error.h"

namespace salus::data {
namespace {

const std::vector<std::string> kPolicies = {"accept", "drop",
                                            "refuse"};  // in the order of the enum

std::string name_of(io::RowPolicy policy) { return kPolicies[static_cast<std::size_t>(policy)]; }

io::RowPolicy policy(const Config& table, const char* key, io::RowPolicy fallback) {
  const std::string chosen = table.get_choice(key, kPolicies, name_of(fallback));
  return static_cast<io::RowPolicy>(std::find(kPolicies.begin(), kPolicies.end(), chosen) -
                                    kPolicies.begin());
}

}  // namespace

RowRules read_row_rules(const Config& table, const RowRules& fallback) {
  RowRules rules = fallback;
  rules.duplicates = policy(table, "duplicates", fallback.duplicates);
  rules.unsorted = policy(table, "unsorted", fallback.unsorted);
  rules.future = policy(table, "future", fallback.future);
  if (table.has("latest")) rules.latest = table.get_double("latest");
  if (std::isnan(rules.latest)) {
    throw UsageError(fmt::format("{} must be a number of hours.", table.where("latest")));
  }
  return rules;
}

std::string row_rules_toml(const RowRules& rules) {
  std::string text =
      fmt::format("duplicates = \"{}\"\nunsorted = \"{}\"\nfuture = \"{}\"\n",
                  name_of(rules.duplicates), name_of(rules.unsorted), name_of(rules.future));
  if (std::isfinite(rules.latest)) text += fmt::format("latest = {}\n", rules.latest);
  return text;
}

}  // namespace salus::data
