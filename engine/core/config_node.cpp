#include "engine/core/config_node.h"

#include <fmt/core.h>

#include "engine/io/error.h"

namespace salus {

std::string Config::Node::child_path(const std::string& key) const {
  return path.empty() ? key : path + "." + key;
}

void Config::Node::set(const std::string& key, const toml::node& source, const std::string& from) {
  Entry& entry = entries[key];
  entry.origin = from;
  entry.line = source.source().begin.line;
  entry.given = true;
  if (const toml::table* table = source.as_table()) {
    entry.value.reset();
    entry.tables.clear();
    child(key)->merge(*table, from);
    return;
  }
  entry.table.reset();
  entry.tables.clear();
  entry.value.reset();
  const toml::array* array = source.as_array();
  if (array && !array->empty() && array->is_homogeneous(toml::node_type::table)) {
    for (const toml::node& element : *array) {
      auto node = std::make_shared<Node>();
      node->origin = from;
      node->path = child_path(key);
      node->merge(*element.as_table(), from);
      entry.tables.push_back(std::move(node));
    }
    return;
  }
  source.visit([&](const auto& concrete) {
    entry.value = std::make_unique<std::decay_t<decltype(concrete)>>(concrete);
  });
}

void Config::Node::merge(const toml::table& source, const std::string& from) {
  for (const auto& [key, node] : source) set(std::string(key.str()), node, from);
}

void Config::Node::inherit(const std::string& key, const Node& from) {
  const auto found = from.entries.find(key);
  if (found == from.entries.end() || !found->second.given) return;
  const Entry& theirs = found->second;
  const bool here = entries[key].given;
  if (theirs.table && (!here || entries[key].table)) {
    const auto own = child(key);
    for (const auto& [name, entry] : theirs.table->entries) own->inherit(name, *theirs.table);
  } else if (!here && theirs.value) {
    set(key, *theirs.value, theirs.origin);
  }
  if (here) return;
  entries[key].given = true;
  entries[key].origin = theirs.origin;
  entries[key].line = theirs.line;
}

Config::Node::Entry& Config::Node::ask(const std::string& key) {
  Entry& entry = entries[key];
  entry.asked = true;
  return entry;
}

std::shared_ptr<Config::Node> Config::Node::child(const std::string& key) {
  Entry& entry = entries[key];
  if (entry.value || !entry.tables.empty()) {
    throw UsageError(fmt::format("{} must be a table ([{}]).", where(key), child_path(key)));
  }
  if (!entry.table) {
    entry.table = std::make_shared<Node>();
    entry.table->origin = origin;
    entry.table->path = child_path(key);
  }
  return entry.table;
}

std::string Config::Node::where(const std::string& key) const {
  const auto found = entries.find(key);
  std::string place = origin;
  if (found != entries.end() && found->second.given) {
    place = found->second.origin;
    if (found->second.line > 0) place += fmt::format(":{}", found->second.line);
  }
  return path.empty() ? fmt::format("{}: {}", place, key)
                      : fmt::format("{}: [{}] {}", place, path, key);
}

void Config::Node::reject_unknown() const {
  std::vector<std::string> known;
  for (const auto& [key, entry] : entries) {
    if (entry.asked) known.push_back(key);
  }
  for (const auto& [key, entry] : entries) {
    if (entry.given && !entry.asked) {
      const std::string near = nearest(key, known);
      throw UsageError(
          fmt::format("{} is not a known key; {}", where(key),
                      near.empty() ? "remove it." : fmt::format("did you mean \"{}\"?", near)));
    }
    if (entry.table) entry.table->reject_unknown();
    for (const auto& table : entry.tables) table->reject_unknown();
  }
}

toml::table Config::Node::resolved() const {
  toml::table out;
  for (const auto& [key, entry] : entries) {
    if (entry.table) {
      toml::table table = entry.table->resolved();
      if (entry.given || !table.empty()) out.insert_or_assign(key, std::move(table));
    } else if (!entry.tables.empty()) {
      toml::array array;
      for (const auto& table : entry.tables) array.push_back(table->resolved());
      out.insert_or_assign(key, std::move(array));
    } else if (entry.value) {
      entry.value->visit([&](const auto& concrete) { out.insert_or_assign(key, concrete); });
    }
  }
  return out;
}

}  // namespace salus
