#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace salus {

/// A TOML table being read. Every key asked for is remembered with the value it resolved to, so
/// that reject_unknown() can name a key that nobody asked for and to_toml() can write the resolved
/// configuration, defaults included. Copies share one table. Not thread-safe. A key may be dotted
/// ("train.epochs") wherever one is asked for.
///
/// All getters throw UsageError naming origin, line, key and the expected type. Getters without a
/// default throw when the key is missing.
class Config {
 public:
  static Config parse_file(const std::string& path);
  static Config parse(const std::string& text, const std::string& origin);

  /// Sets `key`; `value` is TOML ("3", "[1, 2]"), or else a bare string.
  /// \throws UsageError for an empty key, or one that passes through a value that is not a table.
  void override_with(const std::string& key, const std::string& value);

  /// True if the file or an override gives `key`. Counts as asking for it.
  bool has(const std::string& key) const;
  /// What a key that may be one or the other holds ("balanced" or [1, 3]); false if it is absent.
  bool is_string(const std::string& key) const;
  bool is_number(const std::string& key) const;
  bool is_list(const std::string& key) const;

  std::string get_string(const std::string& key) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::int64_t get_int(const std::string& key) const;
  std::int64_t get_int(const std::string& key, std::int64_t fallback) const;
  double get_double(const std::string& key) const;  ///< integers are accepted
  double get_double(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  /// Lists; a single value reads as a list of one.
  std::vector<std::string> get_strings(const std::string& key) const;
  std::vector<std::string> get_strings(const std::string& key,
                                       const std::vector<std::string>& fallback) const;
  std::vector<double> get_doubles(const std::string& key) const;
  std::vector<double> get_doubles(const std::string& key,
                                  const std::vector<double>& fallback) const;
  /// One of `choices`; otherwise an error that lists them.
  std::string get_choice(const std::string& key, const std::vector<std::string>& choices,
                         const std::string& fallback) const;
  /// All numeric keys of this table (true and false as 1 and 0), for an architecture's own options.
  std::map<std::string, double> get_numbers() const;

  /// A sub-table; an absent one reads as empty.
  Config table(const std::string& key) const;
  /// An array of tables ([[key]]); absent reads as empty.
  std::vector<Config> tables(const std::string& key) const;
  /// Keys of this table in alphabetical order.
  std::vector<std::string> keys() const;

  /// Puts `table`, defaults that were asked for included, at `key`, as if it stood in the file.
  void adopt(const std::string& key, const Config& table);

  /// Takes `key` from another table where this one does not give it; of tables, every key that is
  /// lacking.
  void inherit(const std::string& key, const Config& from);

  /// \throws UsageError for a key, here or in any sub-table, that no getter asked for, naming the
  ///         nearest known one.
  void reject_unknown() const;

  /// The whole table as TOML: what the file and overrides say, plus defaults that were asked for.
  std::string to_toml() const;
  /// The same as the table `name` of a larger text: [name], [[name.variable]], ...
  std::string to_toml(const std::string& name) const;

  /// "file.toml:12: [train] epochs" for messages about `key`.
  std::string where(const std::string& key) const;

 private:
  struct Node;
  explicit Config(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  std::shared_ptr<Node> node_;
};

/// The one of `known` with the smallest edit distance to `word`, or "" if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace salus
