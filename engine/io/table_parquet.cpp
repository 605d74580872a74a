#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/util/float16.h>
#include <fmt/core.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <charconv>
#include <cmath>

#include "engine/io/error.h"
#include "engine/io/table_formats.h"

namespace salus::io {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(fmt::format("{} cannot be read as Parquet: {}.", path, reason));
}

template <typename T>
T take(arrow::Result<T> result, const std::string& path) {
  if (!result.ok()) fail(path, result.status().message());
  return std::move(result).ValueUnsafe();
}

constexpr double kWholeBelow = 1e15;  // up to here float64 holds every integer

/// Whole floats as the integers they are: an identifier must read the same from any column, and the
/// shortest text of 300000.0 would be "3e+05".
template <typename T>
std::string number(T value) {
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "";
    if (std::abs(value) < kWholeBelow && value == std::trunc(value)) {
      end = std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value)).ptr;
    }
  }
  return {text, end};
}

template <typename ArrayType>
const ArrayType& as(const arrow::Array& array) {
  return static_cast<const ArrayType&>(array);
}

std::string date_text(const arrow::Array& array, std::int64_t i, const std::string& path) {
  return take(array.GetScalar(i), path)->ToString();
}

// The text of value i, which is not null; nested types have none.
std::string text_of(const arrow::Array& array, std::int64_t i, const std::string& path,
                    const std::string& column) {
  using arrow::Type;
  switch (array.type_id()) {
    case Type::BOOL:
      return as<arrow::BooleanArray>(array).Value(i) ? "1" : "0";
    case Type::INT8:
      return number(as<arrow::Int8Array>(array).Value(i));
    case Type::UINT8:
      return number(as<arrow::UInt8Array>(array).Value(i));
    case Type::INT16:
      return number(as<arrow::Int16Array>(array).Value(i));
    case Type::UINT16:
      return number(as<arrow::UInt16Array>(array).Value(i));
    case Type::INT32:
      return number(as<arrow::Int32Array>(array).Value(i));
    case Type::UINT32:
      return number(as<arrow::UInt32Array>(array).Value(i));
    case Type::INT64:
      return number(as<arrow::Int64Array>(array).Value(i));
    case Type::UINT64:
      return number(as<arrow::UInt64Array>(array).Value(i));
    case Type::HALF_FLOAT:
      return number(
          arrow::util::Float16::FromBits(as<arrow::HalfFloatArray>(array).Value(i)).ToFloat());
    case Type::FLOAT:
      return number(as<arrow::FloatArray>(array).Value(i));
    case Type::DOUBLE:
      return number(as<arrow::DoubleArray>(array).Value(i));
    case Type::STRING:
    case Type::BINARY:
      return as<arrow::BinaryArray>(array).GetString(i);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return as<arrow::LargeBinaryArray>(array).GetString(i);
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW:
      return std::string(as<arrow::BinaryViewArray>(array).GetView(i));
    case Type::FIXED_SIZE_BINARY:
      return as<arrow::FixedSizeBinaryArray>(array).GetString(i);
    case Type::DICTIONARY: {
      const auto& coded = as<arrow::DictionaryArray>(array);
      const std::int64_t entry = coded.GetValueIndex(i);
      return coded.dictionary()->IsNull(entry) ? ""
                                               : text_of(*coded.dictionary(), entry, path, column);
    }
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return date_text(array, i, path);
    case Type::DURATION:
      fail(path, fmt::format("column \"{}\" holds durations; write hours as a number", column));
    default:
      fail(path,
           fmt::format("column \"{}\" has the type {}, which is not one value a row; flatten it "
                       "to plain columns",
                       column, array.type()->ToString()));
  }
}

void append_column(const arrow::ChunkedArray& chunks, const std::string& path, std::size_t position,
                   TextTable& table) {
  std::size_t row = 0;
  for (const auto& chunk : chunks.chunks()) {
    for (std::int64_t i = 0; i < chunk->length(); ++i, ++row) {
      // A null column has no type to ask for text; every value of it is missing.
      const bool missing = chunk->IsNull(i) || chunk->type_id() == arrow::Type::NA;
      if (!missing) {
        table.rows[row][position] = text_of(*chunk, i, path, table.columns[position]);
      }
    }
  }
}

std::shared_ptr<arrow::Table> load(const std::string& path) {
  auto file = take(arrow::io::ReadableFile::Open(path), path);
  auto reader = take(parquet::arrow::OpenFile(file, arrow::default_memory_pool()), path);
  reader->set_use_threads(false);
  return take(reader->ReadTable(), path);
}

}  // namespace

TextTable read_parquet(const std::string& path) {
  try {
    const auto source = load(path);
    TextTable table;
    table.columns = source->ColumnNames();
    check_columns(table.columns, path);
    if (table.columns.empty()) fail(path, "it has no columns");
    const auto rows = static_cast<std::size_t>(source->num_rows());
    table.rows.assign(rows, std::vector<std::string>(table.columns.size()));
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      append_column(*source->column(static_cast<int>(i)), path, i, table);
    }
    return table;
  } catch (const parquet::ParquetException& error) {
    fail(path, error.what());
  }
}

}  // namespace salus::io
