#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/mapped_file.h"
#include "engine/io/npy.h"
#include "engine/io/npy_header.h"
#include "engine/io/numbers.h"
#include "engine/similar/vectors_formats.h"

namespace salus::similar {
namespace {

at::ScalarType scalar_type(const std::string& dtype, const std::string& path) {
  static const std::unordered_map<std::string, at::ScalarType> kTypes = {
      {"<f2", at::kHalf}, {"<f4", at::kFloat}, {"<f8", at::kDouble}, {"|u1", at::kByte},
      {"|i1", at::kChar}, {"<i2", at::kShort}, {"<i4", at::kInt},    {"<i8", at::kLong}};
  const auto found = kTypes.find(dtype);
  if (found != kTypes.end()) return found->second;
  throw Error(fmt::format("{} has values of dtype {}; save the vectors as float32.", path, dtype));
}

/// The values as an [N, D] tensor over the mapped file, or over memory if they must be turned round
/// (Fortran order, big endian).
at::Tensor map_values(const std::string& path, std::vector<std::int64_t>& shape) {
  auto file = std::make_shared<const io::MappedFile>(path);
  const auto header = io::parse_npy_header(file->bytes(), path);
  shape = header.shape;
  const at::ScalarType type = scalar_type(header.dtype, path);
  if (shape.size() != 2) {
    throw Error(
        fmt::format("{} is an array of {} dimensions; vectors are [N, D].", path, shape.size()));
  }
  if (header.fortran_order || header.big_endian || file->bytes().empty()) {
    auto array = std::make_shared<io::NpyArray>(io::read_npy(path));
    return at::from_blob(array->bytes.data(), shape, [array](void*) {}, at::TensorOptions(type));
  }
  const std::int64_t expected = io::checked_bytes(shape, header.item_size);
  if (expected != static_cast<std::int64_t>(file->bytes().size() - header.data_offset)) {
    io::parse_npy(file->bytes(), path);  // says what is wrong with it
  }
  auto* data = const_cast<std::byte*>(file->bytes().data()) + header.data_offset;
  return at::from_blob(data, shape, [file](void*) {}, at::TensorOptions(type));
}

/// The lines of NAME.npy.ids.txt, or none.
std::vector<std::string> ids_beside(const std::string& path, std::int64_t rows) {
  const std::string list = path + ".ids.txt";
  std::error_code ignored;
  if (!std::filesystem::exists(list, ignored)) return {};
  const std::string text = io::read_text(list, std::int64_t{8} << 30);
  std::vector<std::string> ids;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    ids.push_back(text.substr(begin, end - begin));
    if (ids.back().ends_with('\r')) ids.back().pop_back();
    begin = end + 1;
  }
  if (static_cast<std::int64_t>(ids.size()) != rows) {
    throw Error(fmt::format("{} has {} lines where {} has {} rows; write both again.", list,
                            ids.size(), path, rows));
  }
  return ids;
}

/// For each id the row of the table that has it.
std::vector<std::size_t> matched_rows(const std::vector<std::string>& ids,
                                      const io::TextTable& table, std::size_t column,
                                      const std::string& path) {
  std::unordered_map<std::string, std::size_t> rows;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto [found, fresh] = rows.emplace(table.rows[row][column], row);
    if (!fresh) {
      throw Error(fmt::format("{} has the id \"{}\" in rows {} and {}; it may stand there once.",
                              path, found->first, found->second + 1, row + 1));
    }
  }
  std::vector<std::size_t> matched;
  for (const std::string& id : ids) {
    const auto found = rows.find(id);
    if (found == rows.end()) {
      throw Error(
          fmt::format("{} has no row with the id \"{}\" of the vectors; add it.", path, id));
    }
    matched.push_back(found->second);
  }
  return matched;
}

void join_table(VectorSource& source, const VectorOptions& options) {
  if (options.table.empty()) {
    const bool id_asked_for = !options.id.empty() && !options.id_is_optional;
    if (options.attributes.empty() && !id_asked_for) return;
    throw UsageError(fmt::format(
        "{} is an array, which has no columns; name a table that has them by --table, and its "
        "column of ids by --id.",
        source.origin));
  }
  if (options.id.empty() || source.ids.empty()) {
    throw UsageError(fmt::format(
        "--table is matched by ids: name its column of ids by --id, and write the ids of {} to "
        "{}.ids.txt, one a line.",
        source.origin, source.origin));
  }
  const io::TextTable table = io::read_table(options.table);
  const std::size_t column = required_column(table, options.id, options.table);
  source.id_column = options.id;
  source.attributes = read_attributes(table, matched_rows(source.ids, table, column, options.table),
                                      options, options.table);
}

}  // namespace

VectorSource read_array(const std::string& path, const VectorOptions& options) {
  std::vector<std::int64_t> shape;
  const at::Tensor values = map_values(path, shape);
  VectorSource source;
  source.origin = path;
  source.rows = shape[0];
  source.dim = shape[1];
  source.ids = ids_beside(path, source.rows);
  join_table(source, options);
  source.read = [values](std::int64_t first, std::int64_t count) {
    return values.narrow(0, first, count).to(at::kFloat).contiguous();
  };
  return source;
}

}  // namespace salus::similar
