#include "engine/similar/query.h"

#include <ATen/ops/empty.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>

#include "engine/core/device.h"
#include "engine/io/error.h"
#include "engine/similar/new_rows.h"
#include "engine/similar/search.h"
#include "engine/similar/sharded.h"
#include "kernels/similarity_math.h"

namespace salus::similar {
namespace {

constexpr std::int64_t kQueriesAtOnce = 1024;

/// Attributes of single rows; a column is opened once per part.
class AttributeReader {
 public:
  AttributeReader(const Index& index, const std::vector<std::string>& names) : index_(index) {
    for (const std::string& name : names) places_.push_back(index.manifest().attribute(name));
  }

  std::vector<AttributeValue> values(std::int64_t row) {
    std::vector<AttributeValue> values;
    for (const std::size_t place : places_) values.push_back(value(place, row));
    return values;
  }

 private:
  AttributeValue value(std::size_t place, std::int64_t row) {
    const std::size_t part = index_.part_of(row);
    const auto at = static_cast<std::size_t>(row - index_.parts()[part]->first);
    const Segment& segment = index_.parts()[part]->segment;
    if (index_.manifest().attributes[place].kind == AttributeKind::kNumber) {
      const double number = segment.numbers(place)[at];
      return std::isnan(number) ? AttributeValue() : AttributeValue(number);
    }
    auto found = texts_.find({place, part});
    if (found == texts_.end()) {
      found = texts_.emplace(std::pair(place, part), segment.text(place)).first;
    }
    const std::uint32_t code = found->second.codes[at];
    if (code == kNoText) return {};
    return std::string(found->second.dictionary[code]);
  }

  const Index& index_;
  std::vector<std::size_t> places_;
  std::map<std::pair<std::size_t, std::size_t>, TextColumn> texts_;
};

bool usable(const float* query, std::int64_t dim, kernels::Metric metric) {
  const auto value = [&](int d) { return query[d]; };
  const float norm = std::sqrt(kernels::similarity_dot(static_cast<int>(dim), value, value));
  return kernels::similarity_takes_part(norm, metric == kernels::Metric::kCosine);
}

class QueryRun {
 public:
  QueryRun(const Index& index, const ProcessGroup& group, const std::string& device,
           const VectorSource& queries, const QueryOptions& options)
      : index_(index),
        group_(group),
        queries_(queries),
        options_(options),
        searcher_(index, group, open_device(device)),
        shown_(index, options.show) {
    for (const std::string& text : options.conditions) {
      conditions_.push_back(parse_condition(text, index.manifest()));
    }
    if (options.exclude_self && queries.ids.empty() && !index.manifest().numbered) {
      throw UsageError(fmt::format(
          "--exclude-self needs the ids of the queries; {} has none: name their column by --id.",
          queries.origin));
    }
    searcher_.restrict_to(conditions_);
    if (options.verify) searcher_.verify();
  }

  void run(const std::function<void(const Answer&)>& answer) {
    for (std::int64_t first = 0; first < queries_.rows; first += kQueriesAtOnce) {
      const std::int64_t count = std::min(kQueriesAtOnce, queries_.rows - first);
      const at::Tensor values =
          standardised(queries_.read(first, count), index_.manifest()).contiguous();
      const auto found = options_.same.empty() ? search(values, first) : search_same(values, first);
      if (group_.rank() != 0) continue;
      for (std::int64_t i = 0; i < count; ++i) answer(answer_of(values, found, first, i));
    }
  }

 private:
  std::string id(std::int64_t query) const {
    return queries_.ids.empty() ? std::to_string(query)
                                : queries_.ids[static_cast<std::size_t>(query)];
  }

  kernels::SimilarityOptions how() const {
    kernels::SimilarityOptions how;
    how.k = options_.k;
    how.exact = options_.exact;
    return how;
  }

  std::vector<std::int64_t> excluded(const std::vector<std::int64_t>& queries) const {
    std::vector<std::int64_t> rows;
    if (!options_.exclude_self) return rows;
    for (const std::int64_t query : queries) rows.push_back(index_.find(id(query)));
    return rows;
  }

  kernels::SimilarityResult search(const at::Tensor& values, std::int64_t first) const {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < values.size(0); ++i) numbers.push_back(first + i);
    return searcher_.search(values, how(), excluded(numbers));
  }

  /// One search per value of the attribute, over the rows that have it.
  kernels::SimilarityResult search_same(const at::Tensor& values, std::int64_t first) {
    const auto attribute = index_.manifest().attribute(options_.same);
    std::map<std::string, std::pair<Condition, std::vector<std::int64_t>>> groups;
    for (std::int64_t i = 0; i < values.size(0); ++i) {
      const Condition condition = same_as(first + i, attribute);
      auto& group =
          groups.try_emplace(condition.text, condition, std::vector<std::int64_t>()).first->second;
      group.second.push_back(i);
    }
    const std::int64_t queries = values.size(0);
    const kernels::SimilarityResult all{
        at::empty({queries, options_.k}, at::kFloat), at::empty({queries, options_.k}, at::kLong),
        at::empty({queries}, at::kBool), at::empty({queries}, at::kFloat)};
    for (const auto& [text, group] : groups) {
      auto conditions = conditions_;
      conditions.push_back(group.first);
      searcher_.restrict_to(conditions);
      search_group(values, first, group.second, all);
    }
    return all;
  }

  /// The condition "as this query has it"; a query where it is missing equals no row.
  Condition same_as(std::int64_t query, std::size_t attribute) const {
    const AttributeValues& own = queries_.attributes.at(0);
    const auto place = static_cast<std::size_t>(query);
    Condition condition;
    condition.attribute = attribute;
    condition.kind = own.kind;
    if (own.kind == AttributeKind::kNumber) {
      condition.number = own.numbers[place];  // NaN equals nothing
      condition.text = std::isnan(condition.number) ? "" : fmt::format("{}", condition.number);
    } else if (own.codes[place] != kNoText) {
      condition.text = own.dictionary[own.codes[place]];
    }  // else "", which no row has: missing text is not ""
    return condition;
  }

  void search_group(const at::Tensor& values, std::int64_t first,
                    const std::vector<std::int64_t>& members,
                    const kernels::SimilarityResult& all) const {
    const at::Tensor some =
        at::empty({static_cast<std::int64_t>(members.size()), values.size(1)}, at::kFloat);
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < members.size(); ++i) {
      some[static_cast<std::int64_t>(i)].copy_(values[members[i]]);
      numbers.push_back(first + members[i]);
    }
    const auto found = searcher_.search(some, how(), excluded(numbers));
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      all.scores[members[i]].copy_(found.scores[at]);
      all.ids[members[i]].copy_(found.ids[at]);
      all.certain[members[i]].copy_(found.certain[at]);
      all.bound[members[i]].copy_(found.bound[at]);
    }
  }

  Answer answer_of(const at::Tensor& values, const kernels::SimilarityResult& found,
                   std::int64_t first, std::int64_t i) {
    Answer answer;
    answer.id = id(first + i);
    const std::int64_t dim = values.size(1);
    answer.usable = usable(values.const_data_ptr<float>() + i * dim, dim, index_.manifest().metric);
    answer.certain = found.certain.const_data_ptr<bool>()[i];
    answer.bound = found.bound.const_data_ptr<float>()[i];
    const auto* rows = found.ids.const_data_ptr<std::int64_t>() + i * options_.k;
    const auto* scores = found.scores.const_data_ptr<float>() + i * options_.k;
    for (std::int64_t rank = 0; rank < options_.k && rows[rank] >= 0; ++rank) {
      answer.neighbours.push_back({index_.id(rows[rank]), scores[rank], shown_.values(rows[rank])});
    }
    return answer;
  }

  const Index& index_;
  const ProcessGroup& group_;
  const VectorSource& queries_;
  const QueryOptions& options_;
  Searcher searcher_;
  AttributeReader shown_;
  std::vector<Condition> conditions_;
};

}  // namespace

VectorOptions query_vectors(const Index& index, const QueryOptions& options) {
  VectorOptions vectors = options_for(index.manifest(), false);
  if (!options.same.empty()) {
    const std::size_t place = index.manifest().attribute(options.same);
    vectors.attributes.push_back(index.manifest().attributes[place]);
  }
  return vectors;
}

void run_queries(const Index& index, const ProcessGroup& group, const std::string& device,
                 const VectorSource& queries, const QueryOptions& options,
                 const std::function<void(const Answer&)>& answer) {
  if (options.k < 1 || options.k > kernels::kLargestSimilarityK) {
    throw UsageError(
        fmt::format("-k must be 1 to {}, not {}.", kernels::kLargestSimilarityK, options.k));
  }
  check_dim(queries, index.manifest(), index.path());
  QueryRun(index, group, device, queries, options).run(answer);
}

}  // namespace salus::similar
