#include "engine/similar/index.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>

#include "engine/io/error.h"

namespace salus::similar {
namespace {

constexpr int kAttempts = 20;

std::vector<std::shared_ptr<const Index::Part>> open_parts(const std::string& path,
                                                           const Manifest& manifest) {
  std::vector<std::shared_ptr<const Index::Part>> parts;
  std::int64_t first = 0;
  for (const SegmentEntry& entry : manifest.segments) {
    AliveBits alive;
    if (!entry.alive.empty()) alive = AliveBits(path + "/" + entry.alive, entry);
    parts.push_back(std::make_shared<const Index::Part>(
        Index::Part{Segment(path + "/" + entry.file, manifest, entry), alive, first}));
    first += entry.rows;
  }
  return parts;
}

/// Clears the bits of rows for which `holds` is false.
template <typename Holds>
void keep_if(std::vector<std::uint64_t>& words, std::int64_t rows, Holds holds) {
  for (std::int64_t row = 0; row < rows; ++row) {
    auto& word = words[static_cast<std::size_t>(row / 64)];
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    if ((word & bit) != 0 && !holds(static_cast<std::size_t>(row))) word &= ~bit;
  }
}

void apply(const Condition& condition, const Segment& segment, std::vector<std::uint64_t>& words) {
  if (condition.kind == AttributeKind::kNumber) {
    const auto values = segment.numbers(condition.attribute);
    keep_if(words, segment.rows(), [&](std::size_t row) { return condition.holds(values[row]); });
    return;
  }
  // Text is compared once per word of the dictionary, not once per row.
  const TextColumn column = segment.text(condition.attribute);
  std::vector<char> holds(column.dictionary.size());
  std::transform(column.dictionary.begin(), column.dictionary.end(), holds.begin(),
                 [&](std::string_view word) { return condition.holds(word) ? 1 : 0; });
  keep_if(words, segment.rows(), [&](std::size_t row) {
    const std::uint32_t code = column.codes[row];
    return code == kNoText ? condition.holds_for_missing() : holds[code] != 0;
  });
}

}  // namespace

Index Index::open(const std::string& path) {
  Index index;
  index.path_ = path;
  while (index.path_.size() > 1 && index.path_.back() == '/') index.path_.pop_back();
  for (int attempt = 1;; ++attempt) {
    index.manifest_ = read_manifest(index.path_);
    try {
      index.parts_ = open_parts(index.path_, index.manifest_);
      return index;
    } catch (const Error&) {
      // A writer may have replaced the manifest and removed old files since it was read.
      const bool changed = read_manifest(index.path_).generation != index.manifest_.generation;
      if (!changed || attempt == kAttempts) throw;
    }
  }
}

std::size_t Index::part_of(std::int64_t row) const {
  TORCH_CHECK(row >= 0 && row < rows(), "similar: there is no row ", row, ".");
  const auto after =
      std::upper_bound(parts_.begin(), parts_.end(), row,
                       [](std::int64_t value, const auto& part) { return value < part->first; });
  return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

bool Index::alive(std::int64_t row) const {
  const Part& part = *parts_[part_of(row)];
  return part.alive.alive(row - part.first);
}

std::string Index::id(std::int64_t row) const {
  const Part& part = *parts_[part_of(row)];
  return part.segment.id(row - part.first);
}

std::int64_t Index::find(const std::string& id) const {
  for (const auto& part : parts_) {
    const std::int64_t row = part->segment.find(id);
    if (row >= 0 && part->alive.alive(row)) return part->first + row;
  }
  return -1;
}

std::vector<std::uint64_t> Index::matching(std::size_t place,
                                           const std::vector<Condition>& conditions) const {
  const Part& part = *parts_[place];
  std::vector<std::uint64_t> words =
      part.alive.all()
          ? all_rows(part.segment.rows())
          : std::vector<std::uint64_t>(part.alive.words().begin(), part.alive.words().end());
  for (const Condition& condition : conditions) apply(condition, part.segment, words);
  return words;
}

void Index::verify() const {
  for (const auto& part : parts_) part->segment.verify(0, part->segment.rows());
}

std::vector<std::uint64_t> all_rows(std::int64_t rows) {
  std::vector<std::uint64_t> words(static_cast<std::size_t>((rows + 63) / 64), ~std::uint64_t{0});
  if (rows % 64 != 0) words.back() = (std::uint64_t{1} << (rows % 64)) - 1;
  return words;
}

}  // namespace salus::similar
