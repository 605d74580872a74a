#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/process_group.h"
#include "engine/similar/index.h"
#include "engine/similar/vectors.h"

namespace salus::similar {

struct QueryOptions {
  std::int64_t k = 10;
  bool exact = false;
  bool exclude_self = false;            ///< a query does not find the row that has its id
  std::vector<std::string> conditions;  ///< "site=A": see parse_condition()
  std::string same;               ///< an attribute in which rows must equal the query; "" = none
  std::vector<std::string> show;  ///< attributes to give for each neighbour
  bool verify = true;             ///< check the checksums of the rows first
};

/// Missing, a number, or text.
using AttributeValue = std::variant<std::monostate, double, std::string>;

struct Neighbour {
  std::string id;
  float score = 0;
  std::vector<AttributeValue> attributes;  ///< in the order of QueryOptions::show
};

/// What one query found, nearest first.
struct Answer {
  std::string id;      ///< of the query; its number in its file if that has no ids
  bool usable = true;  ///< false: missing or infinite values, or zero for cosine; finds nothing
  std::vector<Neighbour> neighbours;
  bool certain = true;
  float bound = 0;  ///< by how much a row left out could exceed the last score; 0 if certain
};

/// What to read from a file of queries for `index`.
VectorOptions query_vectors(const Index& index, const QueryOptions& options);

/// Searches for every row of `queries` and hands the answers over in order. Collective: every rank
/// calls it with the same arguments, and rank 0 alone gets the answers.
///
/// \param device  "cpu", "cuda", "cuda:1".
/// \throws UsageError for options that make no sense or name what the index does not have;
///         salus::Error for queries of another dimension, and for a damaged index.
void run_queries(const Index& index, const ProcessGroup& group, const std::string& device,
                 const VectorSource& queries, const QueryOptions& options,
                 const std::function<void(const Answer&)>& answer);

}  // namespace salus::similar
