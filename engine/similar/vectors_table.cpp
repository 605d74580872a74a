#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/core/config.h"
#include "engine/io/error.h"
#include "engine/similar/vectors_formats.h"

namespace salus::similar {
namespace {

std::vector<std::size_t> every_row(const io::TextTable& table) {
  std::vector<std::size_t> rows(table.rows.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

/// The columns of values: those asked for, or all that are neither id nor attribute.
std::vector<std::string> value_columns(const io::TextTable& table, const VectorOptions& options,
                                       const std::string& path) {
  if (!options.columns.empty()) return options.columns;
  std::set<std::string> taken = {options.id};
  for (const AttributeType& type : options.attributes) taken.insert(type.name);
  std::vector<std::string> names;
  for (const std::string& name : table.columns) {
    if (!taken.contains(name)) names.push_back(name);
  }
  if (names.empty()) {
    throw Error(fmt::format("{} has no columns left for the values of the vectors.", path));
  }
  return names;
}

void fill_column(const io::TextTable& table, const std::string& name, const std::string& path,
                 bool chosen, std::int64_t stride, float* out) {
  const std::size_t column = required_column(table, name, path);
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const std::string& cell = table.rows[row][column];
    double value = 0;
    if (!parse_number(cell, value)) {
      throw Error(fmt::format(
          "{} row {}, column \"{}\": \"{}\" is not a number; {}.", path, row + 1, name, cell,
          chosen ? "leave the column out or mend the cell"
                 : "name the columns of values by --columns, or make this one an attribute by "
                   "--attributes"));
    }
    out[static_cast<std::int64_t>(row) * stride] = static_cast<float>(value);
  }
}

}  // namespace

std::size_t required_column(const io::TextTable& table, const std::string& name,
                            const std::string& path) {
  const int column = table.column(name);
  if (column >= 0) return static_cast<std::size_t>(column);
  const std::string near = nearest(name, table.columns);
  throw Error(fmt::format("{} has no column \"{}\"{}", path, name,
                          near.empty() ? fmt::format("; it has {}.", fmt::join(table.columns, ", "))
                                       : fmt::format("; did you mean \"{}\"?", near)));
}

std::vector<AttributeValues> read_attributes(const io::TextTable& table,
                                             const std::vector<std::size_t>& rows,
                                             const VectorOptions& options,
                                             const std::string& path) {
  std::vector<AttributeValues> attributes;
  for (AttributeType type : options.attributes) {
    const std::size_t column = required_column(table, type.name, path);
    if (!options.kinds_are_known) {
      double ignored = 0;
      bool any = false;
      bool numbers = true;
      for (const std::size_t row : rows) {
        any = any || !table.rows[row][column].empty();
        numbers = numbers && parse_number(table.rows[row][column], ignored);
      }
      type.kind = any && numbers ? AttributeKind::kNumber : AttributeKind::kText;
    }
    AttributeBuilder builder(type);
    for (const std::size_t row : rows) {
      if (!builder.add(table.rows[row][column])) {
        throw Error(fmt::format(
            "{} row {}, column \"{}\": \"{}\" is not a number, as this attribute is in the index; "
            "mend the cell or leave it empty.",
            path, row + 1, type.name, table.rows[row][column]));
      }
    }
    attributes.push_back(builder.take());
  }
  return attributes;
}

VectorSource read_vector_table(const std::string& path, const VectorOptions& options) {
  if (!options.table.empty()) {
    throw UsageError(fmt::format(
        "--table brings attributes to the rows of an array; {} is a table and has its own.", path));
  }
  const io::TextTable table = io::read_table(path);
  VectorSource source;
  source.origin = path;
  source.rows = static_cast<std::int64_t>(table.rows.size());
  source.columns = value_columns(table, options, path);
  source.dim = static_cast<std::int64_t>(source.columns.size());
  const bool has_ids =
      !options.id.empty() && (!options.id_is_optional || table.column(options.id) >= 0);
  if (has_ids) {
    const std::size_t column = required_column(table, options.id, path);
    source.id_column = options.id;
    for (const auto& row : table.rows) source.ids.push_back(row[column]);
  }
  source.attributes = read_attributes(table, every_row(table), options, path);
  const at::Tensor values = at::empty({source.rows, source.dim}, at::kFloat);
  for (std::int64_t i = 0; i < source.dim; ++i) {
    fill_column(table, source.columns[static_cast<std::size_t>(i)], path, !options.columns.empty(),
                source.dim, values.mutable_data_ptr<float>() + i);
  }
  source.read = [values](std::int64_t first, std::int64_t count) {
    return values.narrow(0, first, count);
  };
  return source;
}

}  // namespace salus::similar
