#include "engine/core/config.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <sstream>
#include <type_traits>

#include "engine/core/config_node.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus {
namespace {

template <typename T>
const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, double>) return "a number";
  return "a string";
}

/// The value as T without loss, or nothing.
template <typename T>
std::optional<T> read(const toml::node& node) {
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* integer = node.as_integer()) return static_cast<double>(integer->get());
  }
  return node.value_exact<T>();
}

std::string as_text(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& concrete) { out << concrete; });
  std::string text = out.str();
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

/// A table at a dotted key's end and the key's last part.
template <typename Node>
std::pair<std::shared_ptr<Node>, std::string> locate(std::shared_ptr<Node> node,
                                                     const std::string& key) {
  std::string rest = key;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    const std::string head = rest.substr(0, dot);
    node->ask(head);
    node = node->child(head);
    rest.erase(0, dot + 1);
  }
  return {node, rest};
}

/// `value` as a TOML value; one that is no scalar, array or table of TOML is a bare string.
toml::table parse_override(const std::string& value) {
  const bool one_line = value.find('\n') == std::string::npos;
  if (one_line) {
    try {
      toml::table parsed = toml::parse("v = " + value);
      const toml::node& node = *parsed.get("v");
      const bool plain = node.is_number() || node.is_boolean() || node.is_string() ||
                         node.is_array() || node.is_table();
      if (plain && parsed.size() == 1) return parsed;
    } catch (const toml::parse_error&) {
      // Not TOML: a bare string such as resnet18 or a path.
    }
  }
  toml::table bare;
  bare.insert("v", value);
  return bare;
}

}  // namespace

template <typename T>
T Config::Node::get(const std::string& key, const T* fallback) {
  Entry& entry = ask(key);
  if (entry.value) {
    if (auto value = read<T>(*entry.value)) return *value;
    throw UsageError(
        fmt::format("{} must be {}, not {}.", where(key), type_name<T>(), as_text(*entry.value)));
  }
  if (entry.table || !entry.tables.empty()) {
    throw UsageError(fmt::format("{} must be {}, not a table.", where(key), type_name<T>()));
  }
  if (!fallback) {
    throw UsageError(fmt::format("{} is missing: give it {}.", where(key), type_name<T>()));
  }
  entry.value = std::make_unique<toml::value<T>>(*fallback);
  return *fallback;
}

template <typename T>
std::vector<T> Config::Node::get_list(const std::string& key, const std::vector<T>* fallback) {
  Entry& entry = ask(key);
  if (!entry.value) {
    if (entry.table || !entry.tables.empty() || !fallback) {
      throw UsageError(fmt::format("{} {}: give it a list, each item {}.", where(key),
                                   fallback ? "must not be a table" : "is missing",
                                   type_name<T>()));
    }
    auto array = std::make_unique<toml::array>();
    for (const T& item : *fallback) array->push_back(item);
    entry.value = std::move(array);
    return *fallback;
  }
  std::vector<T> list;
  const auto take = [&](const toml::node& node) {
    auto value = read<T>(node);
    if (!value) {
      throw UsageError(fmt::format("{} must be a list, each item {}; {} is not.", where(key),
                                   type_name<T>(), as_text(node)));
    }
    list.push_back(*value);
  };
  if (const toml::array* array = entry.value->as_array()) {
    for (const toml::node& node : *array) take(node);
  } else {
    take(*entry.value);
  }
  return list;
}

Config Config::parse(const std::string& text, const std::string& origin) {
  auto node = std::make_shared<Node>();
  node->origin = origin;
  try {
    node->merge(toml::parse(text), origin);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: this is not valid TOML: {}.", origin,
                                 error.source().begin.line, error.description()));
  }
  return Config(node);
}

Config Config::parse_file(const std::string& path) { return parse(io::read_text(path), path); }

void Config::override_with(const std::string& key, const std::string& value) {
  if (key.empty() || key.front() == '.' || key.back() == '.' ||
      key.find("..") != std::string::npos) {
    throw UsageError(
        fmt::format("command line: \"{}={}\" names no key; write KEY=VALUE, as in "
                    "train.epochs=20.",
                    key, value));
  }
  std::shared_ptr<Node> node = node_;
  std::string rest = key;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    const std::string head = rest.substr(0, dot);
    Node::Entry& entry = node->entries[head];
    if (!entry.given) {
      entry.given = true;
      entry.origin = "command line";
    }
    node = node->child(head);
    rest.erase(0, dot + 1);
  }
  const toml::table parsed = parse_override(value);
  node->set(rest, *parsed.get("v"), "command line");
  node->entries[rest].line = 0;
}

bool Config::has(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->ask(last).given;
}

bool Config::is_string(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  const auto& entry = node->ask(last);
  return entry.value && entry.value->is_string();
}

bool Config::is_number(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  const auto& entry = node->ask(last);
  return entry.value && entry.value->is_number();
}

bool Config::is_list(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  const auto& entry = node->ask(last);
  return entry.value && entry.value->is_array();
}

std::string Config::get_string(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->template get<std::string>(last, nullptr);
}

std::string Config::get_string(const std::string& key, const std::string& fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get(last, &fallback);
}

std::int64_t Config::get_int(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->template get<std::int64_t>(last, nullptr);
}

std::int64_t Config::get_int(const std::string& key, std::int64_t fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get(last, &fallback);
}

double Config::get_double(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->template get<double>(last, nullptr);
}

double Config::get_double(const std::string& key, double fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get(last, &fallback);
}

bool Config::get_bool(const std::string& key, bool fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get(last, &fallback);
}

std::vector<std::string> Config::get_strings(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->template get_list<std::string>(last, nullptr);
}

std::vector<std::string> Config::get_strings(const std::string& key,
                                             const std::vector<std::string>& fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get_list(last, &fallback);
}

std::vector<double> Config::get_doubles(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->template get_list<double>(last, nullptr);
}

std::vector<double> Config::get_doubles(const std::string& key,
                                        const std::vector<double>& fallback) const {
  auto [node, last] = locate(node_, key);
  return node->get_list(last, &fallback);
}

std::string Config::get_choice(const std::string& key, const std::vector<std::string>& choices,
                               const std::string& fallback) const {
  const std::string value = get_string(key, fallback);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
  const std::string near = nearest(value, choices);
  throw UsageError(fmt::format("{} = \"{}\" must be one of {}{}", where(key), value,
                               fmt::join(choices, ", "),
                               near.empty() ? "." : fmt::format("; did you mean \"{}\"?", near)));
}

std::map<std::string, double> Config::get_numbers() const {
  std::map<std::string, double> numbers;
  for (auto& [key, entry] : node_->entries) {
    if (!entry.value) continue;
    std::optional<double> value = read<double>(*entry.value);
    if (const auto* flag = entry.value->as_boolean()) value = flag->get() ? 1 : 0;
    if (!value) continue;
    entry.asked = true;
    numbers[key] = *value;
  }
  return numbers;
}

Config Config::table(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  node->ask(last);
  return Config(node->child(last));
}

std::vector<Config> Config::tables(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  const auto& entry = node->ask(last);
  if (entry.value || entry.table) {
    throw UsageError(fmt::format("{} must be an array of tables ([[{}]]).", node->where(last),
                                 node->child_path(last)));
  }
  std::vector<Config> list;
  for (const auto& table : entry.tables) list.push_back(Config(table));
  return list;
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : node_->entries) {
    if (entry.given) keys.push_back(key);
  }
  return keys;
}

void Config::reject_unknown() const { node_->reject_unknown(); }

std::string Config::to_toml() const {
  std::ostringstream out;
  out << node_->resolved() << "\n";
  return out.str();
}

std::string Config::to_toml(const std::string& name) const {
  toml::table root;
  root.insert(name, node_->resolved());
  std::ostringstream out;
  out << root << "\n";
  return out.str();
}

void Config::adopt(const std::string& key, const Config& table) {
  auto [node, last] = locate(node_, key);
  node->set(last, table.node_->resolved(), table.node_->origin);
}

void Config::inherit(const std::string& key, const Config& from) {
  node_->inherit(key, *from.node_);
}

std::string Config::where(const std::string& key) const {
  auto [node, last] = locate(node_, key);
  return node->where(last);
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    // Levenshtein distance, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t replace = diagonal + (word[i - 1] != candidate[j - 1]);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
      }
    }
    // Two three-letter words at distance 3 have nothing in common.
    if (row.back() < best_distance && row.back() < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = row.back();
    }
  }
  return best;
}

}  // namespace salus
