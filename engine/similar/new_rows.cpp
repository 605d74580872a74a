#include "engine/similar/new_rows.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/similar/ids.h"

namespace salus::similar {
namespace {

constexpr std::int64_t kRowsAtOnce = 4096;

/// Calls `visit(column, value)` for every value of the source that is a number.
template <typename Visit>
void for_each_value(const VectorSource& source, Visit visit) {
  for (std::int64_t first = 0; first < source.rows; first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, source.rows - first);
    const at::Tensor piece = source.read(first, count);
    const auto* values = piece.const_data_ptr<float>();
    for (std::int64_t i = 0; i < count * source.dim; ++i) {
      if (std::isfinite(values[i])) visit(static_cast<std::size_t>(i % source.dim), values[i]);
    }
  }
}

/// Mean and standard deviation of each column over the values that are there, in two passes. A
/// column without spread has deviation 1.
void measure(const VectorSource& source, Manifest& manifest) {
  const auto dim = static_cast<std::size_t>(source.dim);
  std::vector<double> count(dim, 0);
  manifest.mean.assign(dim, 0);
  manifest.deviation.assign(dim, 0);
  for_each_value(source, [&](std::size_t i, double value) {
    count[i] += 1;
    manifest.mean[i] += value;
  });
  for (std::size_t i = 0; i < dim; ++i) manifest.mean[i] /= std::max(count[i], 1.0);
  for_each_value(source, [&](std::size_t i, double value) {
    manifest.deviation[i] += (value - manifest.mean[i]) * (value - manifest.mean[i]);
  });
  for (std::size_t i = 0; i < dim; ++i) {
    const double deviation = std::sqrt(manifest.deviation[i] / std::max(count[i], 1.0));
    manifest.deviation[i] = deviation > 0 ? deviation : 1;
  }
}

std::string row_id(const VectorSource& source, std::int64_t row, const Manifest& manifest) {
  const std::string& id = source.ids[static_cast<std::size_t>(row)];
  if (id.empty()) {
    throw Error(fmt::format("{} row {} has no id; give it one.", source.origin, row + 1));
  }
  if (manifest.ids == IdKind::kInteger && !integer_id(id)) {
    throw Error(fmt::format(
        "{} row {} has the id \"{}\", which is not a whole number as the ids of the index are.",
        source.origin, row + 1, id));
  }
  return id;
}

/// Takes the rows in order; of those with one id the last, if `replace`.
NewRows distinct_rows(const VectorSource& source, const Manifest& manifest, bool replace) {
  NewRows chosen;
  std::unordered_map<std::string, std::int64_t> last;
  for (std::int64_t row = 0; row < source.rows; ++row) {
    std::string id = row_id(source, row, manifest);
    const auto [found, fresh] = last.try_emplace(std::move(id), row);
    if (!fresh && !replace) {
      throw Error(fmt::format("{} has the id \"{}\" in rows {} and {}; an id may stand there once.",
                              source.origin, found->first, found->second + 1, row + 1));
    }
    found->second = row;
  }
  for (std::int64_t row = 0; row < source.rows; ++row) {
    const std::string& id = source.ids[static_cast<std::size_t>(row)];
    if (last.at(id) != row) continue;
    chosen.rows.push_back(row);
    chosen.ids.push_back(id);
  }
  return chosen;
}

NewRows numbered_rows(const VectorSource& source, const Manifest& manifest) {
  NewRows chosen;
  chosen.rows.resize(static_cast<std::size_t>(source.rows));
  std::iota(chosen.rows.begin(), chosen.rows.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < source.rows; ++i) {
    chosen.ids.push_back(std::to_string(manifest.next_id + i));
  }
  return chosen;
}

/// The chosen ones of a source's values, in the manifest's order of attributes.
AttributeValues chosen_values(const AttributeValues& all, const std::vector<std::int64_t>& rows) {
  AttributeBuilder builder({all.name, all.kind});
  for (const std::int64_t row : rows) {
    const auto place = static_cast<std::size_t>(row);
    if (all.kind == AttributeKind::kNumber) {
      builder.add_number(all.numbers[place]);
    } else {
      const std::uint32_t code = all.codes[place];
      builder.add(code == kNoText ? std::string_view() : all.dictionary[code]);
    }
  }
  return builder.take();
}

/// Rows [first, first + count) of the chosen ones, as the source has them.
at::Tensor read_chosen(const VectorSource& source, const std::vector<std::int64_t>& rows,
                       std::int64_t first, std::int64_t count) {
  const std::int64_t begin = rows[static_cast<std::size_t>(first)];
  const std::int64_t end = rows[static_cast<std::size_t>(first + count - 1)] + 1;
  if (end - begin == count) return source.read(begin, count);
  const at::Tensor out = at::empty({count, source.dim}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    out.narrow(0, i, 1).copy_(source.read(rows[static_cast<std::size_t>(first + i)], 1));
  }
  return out;
}

/// Copies the rows `rows` (numbers within the index) of one tensor of each part.
template <typename TensorOf>
at::Tensor gather(const Index& index, std::span<const std::int64_t> rows, TensorOf tensor_of) {
  at::Tensor out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Index::Part& part = *index.parts()[index.part_of(rows[i])];
    const at::Tensor& all = tensor_of(part);
    if (!all.defined()) return {};
    if (!out.defined()) {
      auto shape = all.sizes().vec();
      shape[0] = static_cast<std::int64_t>(rows.size());
      out = at::empty(shape, all.options());
    }
    const std::size_t width = all.nbytes() / static_cast<std::size_t>(all.size(0));
    std::memcpy(static_cast<std::byte*>(out.mutable_data_ptr()) + i * width,
                static_cast<const std::byte*>(all.const_data_ptr()) +
                    static_cast<std::size_t>(rows[i] - part.first) * width,
                width);
  }
  return out;
}

AttributeValues remaining_values(const Index& index, std::size_t attribute,
                                 const std::vector<std::int64_t>& rows) {
  AttributeBuilder builder(index.manifest().attributes[attribute]);
  auto row = rows.begin();
  for (const auto& part : index.parts()) {
    const std::int64_t end = part->first + part->segment.rows();
    const bool number = index.manifest().attributes[attribute].kind == AttributeKind::kNumber;
    const auto numbers = number ? part->segment.numbers(attribute) : std::span<const double>();
    const TextColumn text = number ? TextColumn() : part->segment.text(attribute);
    for (; row != rows.end() && *row < end; ++row) {
      const auto place = static_cast<std::size_t>(*row - part->first);
      if (number) {
        builder.add_number(numbers[place]);
      } else {
        const std::uint32_t code = text.codes[place];
        builder.add(code == kNoText ? std::string_view() : text.dictionary[code]);
      }
    }
  }
  return builder.take();
}

}  // namespace

Manifest new_manifest(const IndexSettings& settings, const VectorSource& source) {
  if (source.rows == 0 && !(source.id_column.empty() && source.attributes.empty())) {
    throw Error(fmt::format(
        "{} has no rows. Whether ids and attributes are numbers or text is learnt from the first "
        "ones: build the index with at least one.",
        source.origin));
  }
  Manifest manifest;
  manifest.metric = settings.metric;
  manifest.dtype = settings.dtype;
  manifest.originals = settings.originals && settings.dtype != at::kFloat;
  manifest.dim = source.dim;
  manifest.numbered = source.ids.empty();
  manifest.ids = manifest.numbered ? IdKind::kInteger : id_kind(source.ids);
  manifest.id_column = source.id_column;
  manifest.columns = source.columns;
  for (const AttributeValues& values : source.attributes) {
    manifest.attributes.push_back({values.name, values.kind});
  }
  if (manifest.attributes.size() > kMaxAttributes) {
    throw Error(fmt::format("An index has at most {} attributes, not {}.", kMaxAttributes,
                            manifest.attributes.size()));
  }
  if (settings.standardise) measure(source, manifest);
  return manifest;
}

void check_fits(const VectorSource& source, const Manifest& manifest, const std::string& index) {
  check_dim(source, manifest, index);
  if (manifest.numbered && !source.ids.empty()) {
    throw Error(fmt::format(
        "{} has ids, but the rows of {} are numbered; build the index with ids to add these.",
        source.origin, index));
  }
  if (!manifest.numbered && source.ids.empty() && source.rows > 0) {
    throw Error(fmt::format(
        "{} has no ids, but {} has them{}; name their column by --id, or write those of an array "
        "FILE.npy to FILE.npy.ids.txt.",
        source.origin, index,
        manifest.id_column.empty() ? "" : fmt::format(" (column \"{}\")", manifest.id_column)));
  }
  bool same = source.attributes.size() == manifest.attributes.size();
  for (std::size_t i = 0; same && i < manifest.attributes.size(); ++i) {
    same = source.attributes[i].name == manifest.attributes[i].name &&
           source.attributes[i].kind == manifest.attributes[i].kind;
  }
  if (!same) {
    throw Error(fmt::format("{} does not bring the attributes that {} has.", source.origin, index));
  }
}

NewRows choose_rows(const VectorSource& source, const Manifest& manifest, const Index* index,
                    bool replace) {
  if (manifest.numbered) return numbered_rows(source, manifest);
  NewRows chosen = distinct_rows(source, manifest, replace);
  if (index == nullptr) return chosen;
  for (std::size_t i = 0; i < chosen.ids.size(); ++i) {
    const std::int64_t old = index->find(chosen.ids[i]);
    if (old < 0) continue;
    if (!replace) {
      throw Error(fmt::format(
          "{} row {} has the id \"{}\", which is in {} already; replace such rows by --replace.",
          source.origin, chosen.rows[i] + 1, chosen.ids[i], index->path()));
    }
    chosen.replaced.push_back(old);
  }
  std::sort(chosen.replaced.begin(), chosen.replaced.end());
  return chosen;
}

SegmentContent content_of(const VectorSource& source, const NewRows& rows,
                          const Manifest& manifest) {
  SegmentContent content;
  content.rows = static_cast<std::int64_t>(rows.rows.size());
  content.ids = rows.ids;
  for (const AttributeValues& values : source.attributes) {
    content.attributes.push_back(chosen_values(values, rows.rows));
  }
  content.read = [&](std::int64_t first, std::int64_t count) {
    return store_rows(standardised(read_chosen(source, rows.rows, first, count), manifest),
                      manifest);
  };
  return content;
}

SegmentContent remaining_content(const Index& index) {
  std::vector<std::int64_t> rows;
  SegmentContent content;
  for (const auto& part : index.parts()) {
    for (std::int64_t row = 0; row < part->segment.rows(); ++row) {
      if (!part->alive.alive(row)) continue;
      rows.push_back(part->first + row);
      content.ids.push_back(part->segment.id(row));
    }
  }
  content.rows = static_cast<std::int64_t>(rows.size());
  for (std::size_t i = 0; i < index.manifest().attributes.size(); ++i) {
    content.attributes.push_back(remaining_values(index, i, rows));
  }
  std::vector<kernels::SimilarityIndex> stored;
  for (const auto& part : index.parts()) {
    stored.push_back(part->segment.similarity(0, part->segment.rows()));
  }
  content.read = [&index, rows = std::move(rows), stored = std::move(stored)](std::int64_t first,
                                                                              std::int64_t count) {
    const auto some =
        std::span(rows).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    const auto tensors = [&](at::Tensor kernels::SimilarityIndex::* member) {
      return gather(index, some, [&, member](const Index::Part& part) -> const at::Tensor& {
        return stored[index.part_of(part.first)].*member;
      });
    };
    return StoredRows{tensors(&kernels::SimilarityIndex::rows),
                      tensors(&kernels::SimilarityIndex::scales),
                      tensors(&kernels::SimilarityIndex::exact_rows)};
  };
  return content;
}

at::Tensor standardised(const at::Tensor& values, const Manifest& manifest) {
  if (manifest.mean.empty()) return values;
  const at::Tensor out = at::empty(values.sizes(), at::kFloat);
  const auto* in = values.const_data_ptr<float>();
  auto* result = out.mutable_data_ptr<float>();
  const auto dim = static_cast<std::size_t>(manifest.dim);
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const std::size_t column = static_cast<std::size_t>(i) % dim;
    result[i] = static_cast<float>((in[i] - manifest.mean[column]) / manifest.deviation[column]);
  }
  return out;
}

}  // namespace salus::similar
