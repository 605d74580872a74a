#include "engine/similar/index_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/posix.h"
#include "engine/similar/new_rows.h"
#include "engine/similar/segment_writer.h"

namespace salus::similar {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockFile = "lock";

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool is_partial(const std::string& name) {
  return name.starts_with('.') && name.ends_with(".partial");
}

/// Refuses a folder that holds anything but an index or what an interrupted build left.
void check_may_create(const std::string& path, bool replace) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  if (!fs::is_directory(path, error)) {
    throw Error(fmt::format("{} is a file; an index is a folder: choose another name.", path));
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name == kManifestFile && !replace) {
      throw Error(fmt::format(
          "{} is an index already; add rows by `salus similar append`, or replace it by --force.",
          path));
    }
    if (name != kManifestFile && name != kLockFile && !is_data_file(name) && !is_partial(name)) {
      throw Error(fmt::format("{} holds {}, which is no file of an index; choose a new folder.",
                              path, name));
    }
  }
}

std::int64_t generation_of(const std::string& file) {
  std::int64_t generation = 0;
  const std::size_t begin = file.find('-') + 1;
  std::from_chars(file.data() + begin, file.data() + file.size(), generation);
  return generation;
}

/// Of the index that is to be replaced; 0 if there is none, or its manifest cannot be read.
std::int64_t last_generation(const std::string& path) {
  try {
    return read_manifest(path).generation;
  } catch (const Error&) {
    return 0;
  }
}

std::set<std::string> files_of(const Manifest& manifest) {
  std::set<std::string> files;
  for (const SegmentEntry& entry : manifest.segments) {
    files.insert(entry.file);
    if (!entry.alive.empty()) files.insert(entry.alive);
  }
  return files;
}

}  // namespace

IndexWriter::IndexWriter(const std::string& path, Observer observer)
    : IndexWriter(path, std::move(observer), false) {}

IndexWriter::IndexWriter(const std::string& path, Observer observer, bool create)
    : path_(without_slash(path)), observer_(std::move(observer)) {
  if (create) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) io::throw_system_error("Cannot make folder", path_, error.value());
  } else {
    read_manifest(path_);  // so that no lock is left in a folder that is no index
  }
  lock_ = std::make_unique<io::FileLock>(path_ + "/" + kLockFile, path_);
  done("locked");
  if (!create) {
    index_ = Index::open(path_);
    remove_unnamed_files(index_->manifest());
    done("leftovers removed");
  }
}

AppendReport IndexWriter::create(const std::string& path, const IndexSettings& settings,
                                 const VectorSource& source, bool replace, Observer observer) {
  check_may_create(path, replace);
  const Manifest manifest = new_manifest(settings, source);
  const NewRows rows = choose_rows(source, manifest, nullptr, false);
  IndexWriter writer(path, std::move(observer), true);  // makes the folder, all else being well
  check_may_create(path, replace);  // again: nobody else can make it an index now
  return writer.add(manifest, source, rows);
}

AppendReport IndexWriter::append(const VectorSource& source, bool replace) {
  check_fits(source, index_->manifest(), path_);
  return add(index_->manifest(), source,
             choose_rows(source, index_->manifest(), &*index_, replace));
}

AppendReport IndexWriter::add(Manifest manifest, const VectorSource& source, const NewRows& rows) {
  AppendReport report{static_cast<std::int64_t>(rows.rows.size()),
                      static_cast<std::int64_t>(rows.replaced.size()), 0};
  if (index_ && report.added == 0) return report;
  manifest.generation = next_generation();
  delete_rows(manifest, rows.replaced);
  if (report.added > 0) {
    const SegmentEntry entry{fmt::format("segment-{}.rows", manifest.generation), report.added, "",
                             0};
    write_segment(path_ + "/" + entry.file, manifest, content_of(source, rows, manifest));
    done("segment written");
    report.unfindable = Segment(path_ + "/" + entry.file, manifest, entry).unfindable();
    manifest.segments.push_back(entry);
  }
  if (manifest.numbered) manifest.next_id += report.added;
  publish(manifest);
  return report;
}

RemoveReport IndexWriter::remove(const std::vector<std::string>& ids) {
  RemoveReport report;
  std::set<std::int64_t> rows;
  for (const std::string& id : ids) {
    const std::int64_t row = index_->find(id);
    if (row >= 0) {
      rows.insert(row);
    } else {
      report.unknown.push_back(id);
    }
  }
  report.removed = static_cast<std::int64_t>(rows.size());
  if (rows.empty()) return report;
  Manifest manifest = index_->manifest();
  manifest.generation = next_generation();
  delete_rows(manifest, {rows.begin(), rows.end()});
  publish(manifest);
  return report;
}

RemoveReport IndexWriter::remove(const std::vector<Condition>& conditions) {
  TORCH_CHECK(!conditions.empty(), "similar: rows are deleted by at least one condition.");
  std::vector<std::int64_t> rows;
  for (std::size_t place = 0; place < index_->parts().size(); ++place) {
    const auto& part = *index_->parts()[place];
    const auto words = index_->matching(place, conditions);
    for (std::int64_t row = 0; row < part.segment.rows(); ++row) {
      if ((words[static_cast<std::size_t>(row / 64)] >> (row % 64) & 1) != 0) {
        rows.push_back(part.first + row);
      }
    }
  }
  if (rows.empty()) return {};
  Manifest manifest = index_->manifest();
  manifest.generation = next_generation();
  delete_rows(manifest, rows);
  publish(manifest);
  return {static_cast<std::int64_t>(rows.size()), {}};
}

std::int64_t IndexWriter::compact() {
  const std::int64_t erased = index_->manifest().deleted();
  if (erased == 0 && index_->parts().size() <= 1) return 0;
  index_->verify();  // damaged rows must not get checksums that fit
  Manifest manifest = index_->manifest();
  manifest.generation = next_generation();
  manifest.segments.clear();
  const SegmentContent content = remaining_content(*index_);
  if (content.rows > 0) {
    const SegmentEntry entry{fmt::format("segment-{}.rows", manifest.generation), content.rows, "",
                             0};
    write_segment(path_ + "/" + entry.file, manifest, content);
    done("segment written");
    manifest.segments.push_back(entry);
  }
  publish(manifest);
  return erased;
}

void IndexWriter::delete_rows(Manifest& manifest, const std::vector<std::int64_t>& rows) {
  std::size_t place = 0;
  for (auto row = rows.begin(); row != rows.end();) {  // ascending
    place = index_->part_of(*row);
    const auto& part = *index_->parts()[place];
    auto words = index_->matching(place, {});
    SegmentEntry& entry = manifest.segments[place];
    for (; row != rows.end() && *row < part.first + entry.rows; ++row) {
      const std::int64_t bit = *row - part.first;
      words[static_cast<std::size_t>(bit / 64)] &= ~(std::uint64_t{1} << (bit % 64));
      ++entry.deleted;
    }
    entry.alive = write_alive(entry, words, manifest.generation, place);
    done("deletions written");
  }
}

std::string IndexWriter::write_alive(const SegmentEntry& entry,
                                     const std::vector<std::uint64_t>& words,
                                     std::int64_t generation, std::size_t place) {
  const std::string name = fmt::format("alive-{}-{}.bits", generation, place);
  io::write_file(path_ + "/" + name, alive_file(words, entry.rows));
  return name;
}

void IndexWriter::publish(const Manifest& manifest) {
  write_manifest(path_, manifest);
  done("manifest written");
  index_ = Index::open(path_);
  remove_unnamed_files(manifest);
  done("old files removed");
}

void IndexWriter::remove_unnamed_files(const Manifest& manifest) {
  const std::set<std::string> named = files_of(manifest);
  bool removed = false;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    if (named.contains(name) || !(is_data_file(name) || is_partial(name))) continue;
    std::error_code error;
    fs::remove(entry.path(), error);
    if (error) io::throw_system_error("Cannot remove", entry.path().string(), error.value());
    removed = true;
  }
  if (removed) io::sync_folder(path_);
}

std::int64_t IndexWriter::next_generation() const {
  std::int64_t last = index_ ? index_->manifest().generation : last_generation(path_);
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    if (is_data_file(name)) last = std::max(last, generation_of(name));
  }
  return last + 1;
}

void IndexWriter::done(const std::string& step) const {
  if (observer_) observer_(step);
}

}  // namespace salus::similar
