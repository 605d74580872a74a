#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/engine/similar/similar_support.h"

namespace salus::similar {

using Ids = std::vector<std::string>;

inline IndexSettings float_rows() { return {kernels::Metric::kCosine, at::kFloat, false, false}; }

class IndexWriterTest : public ::testing::Test {
 protected:
  /// Ten rows of four floats, p0 to p9, at two sites.
  void build(const IndexSettings& settings = float_rows()) {
    IndexWriter::create(path(), settings, source(0, 10), false);
  }
  VectorSource source(std::size_t first, std::size_t count) const {
    std::vector<std::string> cells, ages;
    for (std::size_t i = 0; i < count; ++i) cells.push_back((first + i) % 2 == 0 ? "A" : "B");
    for (std::size_t i = 0; i < count; ++i) ages.push_back(std::to_string(first + i));
    const Rows some(rows_.begin() + static_cast<std::ptrdiff_t>(first),
                    rows_.begin() + static_cast<std::ptrdiff_t>(first + count));
    return source_of(some, names(count, first),
                     {attribute("site", AttributeKind::kText, cells),
                      attribute("age", AttributeKind::kNumber, ages)});
  }
  std::string path() const { return folder_.path("index"); }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  test::TemporaryFolder folder_;
  const Rows rows_ = random_rows(40, 4, 11);
};

}  // namespace salus::similar
