#pragma once

// Internal to config*.cpp: the tree behind Config. Kept out of config.h so that toml++ (3 s a file)
// is parsed by two sources only.

#include <toml++/toml.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/config.h"

namespace salus {

/// One table. An entry is a value, a table or an array of tables.
struct Config::Node {
  struct Entry {
    std::unique_ptr<toml::node> value;
    std::shared_ptr<Node> table;
    std::vector<std::shared_ptr<Node>> tables;
    std::string origin;      ///< file, or "command line"
    std::uint32_t line = 0;  ///< 0 = has none
    bool given = false;      ///< by the file or an override; else a default that was asked for
    bool asked = false;
  };

  std::string origin;
  std::string path;  ///< dotted name of this table, "" for the root
  std::map<std::string, Entry> entries;

  /// Copies a parsed table into this one; later values replace earlier ones, tables are merged.
  void merge(const toml::table& source, const std::string& from);
  void set(const std::string& key, const toml::node& source, const std::string& from);

  void inherit(const std::string& key, const Node& from);

  /// Marks `key` as asked for and returns its entry (made empty if absent).
  Entry& ask(const std::string& key);
  /// The table at `key`, made if absent. \throws UsageError if something else is there.
  std::shared_ptr<Node> child(const std::string& key);
  std::string child_path(const std::string& key) const;

  /// The value of `key`, or `*fallback` (which is then remembered). \throws UsageError without
  /// both.
  template <typename T>
  T get(const std::string& key, const T* fallback);
  template <typename T>
  std::vector<T> get_list(const std::string& key, const std::vector<T>* fallback);

  std::string where(const std::string& key) const;
  void reject_unknown() const;
  toml::table resolved() const;
};

}  // namespace salus
