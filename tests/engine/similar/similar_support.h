#pragma once

#include <ATen/ops/empty.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/similar/index.h"
#include "engine/similar/index_writer.h"
#include "tests/support/files.h"

namespace salus::similar {

using Rows = std::vector<std::vector<float>>;

/// Rows with values that differ in every bit that matters, from a printed seed.
inline Rows random_rows(std::size_t count, std::size_t dim, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  Rows rows(count, std::vector<float>(dim));
  for (auto& row : rows) {
    for (float& value : row) value = normal(rng);
  }
  return rows;
}

inline at::Tensor tensor_of(const Rows& rows) {
  const auto dim = rows.empty() ? 0 : static_cast<std::int64_t>(rows[0].size());
  const at::Tensor out = at::empty({static_cast<std::int64_t>(rows.size()), dim}, at::kFloat);
  float* to = out.mutable_data_ptr<float>();
  for (const auto& row : rows) to = std::copy(row.begin(), row.end(), to);
  return out;
}

inline VectorSource source_of(const Rows& rows, std::vector<std::string> ids = {},
                              std::vector<AttributeValues> attributes = {}) {
  VectorSource source;
  source.origin = "rows";
  const at::Tensor values = tensor_of(rows);
  source.rows = values.size(0);
  source.dim = values.size(1);
  source.ids = std::move(ids);
  source.attributes = std::move(attributes);
  source.read = [values](std::int64_t first, std::int64_t count) {
    return values.narrow(0, first, count);
  };
  return source;
}

/// "p0", "p1", ...
inline std::vector<std::string> names(std::size_t count, std::size_t first = 0) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(fmt::format("p{}", first + i));
  return ids;
}

inline AttributeValues attribute(const std::string& name, AttributeKind kind,
                                 const std::vector<std::string>& cells) {
  AttributeBuilder builder({name, kind});
  for (const std::string& cell : cells) EXPECT_TRUE(builder.add(cell)) << cell;
  return builder.take();
}

inline std::vector<std::string> living_ids(const Index& index) {
  std::vector<std::string> ids;
  for (std::int64_t row = 0; row < index.rows(); ++row) {
    if (index.alive(row)) ids.push_back(index.id(row));
  }
  return ids;
}

/// Without waiting for the disk, which io::write_text() does.
inline void overwrite(const std::string& path, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  test::write_test_file(path, {bytes.begin(), bytes.end()});
}

/// Whether any file below `folder` holds these bytes.
inline bool holds_bytes(const test::TemporaryFolder& folder, const std::string& index,
                        std::string_view bytes) {
  for (const auto& entry : std::filesystem::directory_iterator(folder.path(index))) {
    if (io::read_text(entry.path().string()).find(bytes) != std::string::npos) return true;
  }
  return false;
}

inline std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace salus::similar
