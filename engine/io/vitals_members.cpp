// Files of stays, folders and archives of them, read by one thread and parsed by several.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/posix.h"
#include "engine/io/tar.h"
#include "engine/io/vitals_rows.h"

namespace salus::io {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostFileBytes = std::int64_t{64} << 20;  // of one stay
constexpr std::size_t kBatchBytes = 1 << 18;
constexpr std::size_t kBatchesAhead = 8;

struct Batch {
  std::vector<std::pair<std::int64_t, TextMember>> members;  ///< with their number
  std::size_t bytes = 0;
};

/// Batches on their way from the reader to the parsers; a limited number, so that a large archive
/// does not lie in memory as a whole.
class Queue {
 public:
  /// False if the parsers want no more.
  bool push(Batch batch) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return stopped_ || batches_.size() < kBatchesAhead; });
    if (stopped_) return false;
    batches_.push_back(std::move(batch));
    filled_.notify_one();
    return true;
  }
  bool pop(Batch& batch) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || !batches_.empty(); });
    if (batches_.empty()) return false;
    batch = std::move(batches_.front());
    batches_.pop_front();
    room_.notify_one();
    return true;
  }
  /// No more will come.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
  }
  /// No more is wanted; what is there will still be popped.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    room_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable room_, filled_;
  std::deque<Batch> batches_;
  bool closed_ = false, stopped_ = false;
};

struct ParsedStay {
  std::int64_t number;  ///< in the order of reading
  std::string name, origin;
  StayRows rows;
};

/// What the threads bring together.
struct Results {
  std::mutex mutex;
  std::vector<ParsedStay> stays;
  std::int64_t failed = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr error;                        ///< of member `failed`, the first in order
  std::map<std::int64_t, std::string> unreadable;  ///< by number: why, where that is no error

  void leave_out(std::int64_t number, const Error& why) {
    const std::lock_guard lock(mutex);
    unreadable[number] = why.what();
  }
  void fail(std::int64_t number) {
    const std::lock_guard lock(mutex);
    if (number < failed) error = std::current_exception();
    failed = std::min(number, failed);
  }
};

/// What `parse` makes of a member; its counts only if it succeeds.
StayRows parse_member(const std::function<StayRows(const TextMember&, VitalsWorker&)>& parse,
                      const TextMember& member, VitalsWorker& worker) {
  const VitalsCounts before = worker.counts;
  try {
    StayRows rows = parse(member, worker);
    rows.names = &worker.names;
    return rows;
  } catch (...) {
    worker.counts = before;
    throw;
  }
}

void parse_batches(const std::function<StayRows(const TextMember&, VitalsWorker&)>& parse,
                   bool tolerant, VitalsWorker& worker, Queue& queue, Results& results) {
  Batch batch;
  std::vector<ParsedStay> mine;
  while (queue.pop(batch)) {
    for (auto& [number, member] : batch.members) {
      try {
        StayRows rows = parse_member(parse, member, worker);
        mine.push_back({number, std::move(member.name), std::move(member.origin), std::move(rows)});
      } catch (const Error& error) {
        if (tolerant) {
          results.leave_out(number, error);
        } else {
          queue.stop();
          results.fail(number);
        }
      } catch (...) {
        queue.stop();
        results.fail(number);
      }
    }
  }
  const std::lock_guard lock(results.mutex);
  std::move(mine.begin(), mine.end(), std::back_inserter(results.stays));
}

std::string stem_of(const std::string& path, const std::string& suffix) {
  const std::size_t slash = path.find_last_of('/');
  const std::string file = slash == std::string::npos ? path : path.substr(slash + 1);
  return file.substr(0, file.size() - suffix.size());
}

/// Hidden files are none of the stays (macOS adds "._x.txt" to archives).
bool is_hidden(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return path[slash == std::string::npos ? 0 : slash + 1] == '.';
}

template <typename Take>
void read_archive(const std::string& source, const std::string& suffix, const Take& take) {
  TarReader archive(source, kMostFileBytes);
  TarReader::File file;
  while (archive.next(file, suffix)) {
    if (is_hidden(file.name)) continue;
    if (!take(TextMember{source + ":" + file.name, stem_of(file.name, suffix), file.bytes})) return;
  }
}

/// The files of a folder, in alphabetical order.
std::vector<std::string> files_in(const std::string& source, const std::string& suffix) {
  std::vector<std::string> paths;
  std::error_code problem, ignored;
  fs::directory_iterator folder(source, problem);
  if (problem) throw_system_error("Cannot read folder", source, problem.value());
  for (const auto& entry : folder) {
    const std::string path = entry.path().string();
    if (entry.is_regular_file(ignored) && path.ends_with(suffix) && !is_hidden(path)) {
      paths.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Calls `take` for each file of the source; false from it ends the reading. A file that is not in an
/// archive and cannot be read is handed to `leave_out`.
template <typename Take, typename LeaveOut>
void read_source(const std::string& source, const std::string& suffix, const Take& take,
                 const LeaveOut& leave_out) {
  std::error_code ignored;
  const bool folder = fs::is_directory(source, ignored);
  if (!folder && !source.ends_with(suffix)) return read_archive(source, suffix, take);
  for (const std::string& path : folder ? files_in(source, suffix) : std::vector{source}) {
    TextMember member{path, stem_of(path, suffix), ""};
    try {
      member.text = read_text(path, kMostFileBytes);
    } catch (const Error& error) {
      leave_out(error);
      continue;
    }
    if (!take(std::move(member))) return;
  }
}

/// Reads all sources into the queue and returns the number of the first member of each.
/// \throws salus::Error for what cannot be read; `batch` then holds what was read and not sent.
std::vector<std::int64_t> produce(const std::vector<std::string>& sources,
                                  const std::string& suffix, bool tolerant, Queue& queue,
                                  Results& results, Batch& batch) {
  std::vector<std::int64_t> first_of_source;
  std::int64_t number = 0;
  bool wanted = true;
  for (const std::string& source : sources) {
    first_of_source.push_back(number);
    const auto take = [&](TextMember member) {
      batch.bytes += member.text.size();
      batch.members.emplace_back(number++, std::move(member));
      if (batch.bytes >= kBatchBytes) wanted = queue.push(std::exchange(batch, {}));
      return wanted;
    };
    read_source(source, suffix, take, [&](const Error& error) {
      if (!tolerant) throw;
      results.leave_out(number++, error);
    });
    if (!wanted) return first_of_source;
    if (number == first_of_source.back()) {
      throw Error(
          fmt::format("{} holds no file named *{}; name such a file, or the folder or archive "
                      "that has one per stay.",
                      source, suffix));
    }
  }
  return first_of_source;
}

/// The stays without those whose id an earlier one has. \throws salus::Error if `options` leave none out.
std::vector<StayRows> take_unique(std::vector<ParsedStay>& parsed, const VitalsOptions& options,
                                  VitalsCounts& counts) {
  std::vector<StayRows> stays;
  stays.reserve(parsed.size());
  std::unordered_map<std::string, const std::string*> origins;
  for (ParsedStay& stay : parsed) {
    const auto [first, fresh] = origins.try_emplace(stay.rows.id, &stay.origin);
    if (fresh) {
      stays.push_back(std::move(stay.rows));
    } else if (!options.unreadable) {
      throw Error(
          fmt::format("Two stays have the id \"{}\": {} and {}; an id may stand for one stay only.",
                      stay.rows.id, *first->second, stay.origin));
    } else {
      options.unreadable(fmt::format("{}: there is another stay with the id \"{}\" before it, {}.",
                                     stay.origin, stay.rows.id, *first->second));
      ++counts.unreadable;
    }
  }
  return stays;
}

}  // namespace

void read_members(const std::vector<std::string>& sources, const std::string& suffix,
                  const VitalsOptions& options,
                  const std::function<StayRows(const TextMember&, VitalsWorker&)>& parse,
                  VitalsTable& table) {
  const bool tolerant = static_cast<bool>(options.unreadable);
  const int threads = options.threads > 0 ? options.threads : available_threads();
  Queue queue;
  Results results;
  std::deque<VitalsWorker> workers(static_cast<std::size_t>(threads));
  std::vector<std::thread> pool;
  for (VitalsWorker& worker : workers) {
    pool.emplace_back([&] { parse_batches(parse, tolerant, worker, queue, results); });
  }
  std::vector<std::int64_t> first_of_source;
  std::exception_ptr unreadable;
  Batch rest;
  try {
    first_of_source = produce(sources, suffix, tolerant, queue, results, rest);
  } catch (...) {
    unreadable = std::current_exception();
  }
  queue.push(std::move(rest));
  queue.close();
  for (std::thread& thread : pool) thread.join();
  // What was read before the reading failed comes first.
  if (results.error) std::rethrow_exception(results.error);
  if (unreadable) std::rethrow_exception(unreadable);

  const auto source_of = [&](const ParsedStay& stay) {
    return std::upper_bound(first_of_source.begin(), first_of_source.end(), stay.number);
  };
  std::sort(results.stays.begin(), results.stays.end(), [&](const auto& a, const auto& b) {
    const auto source_a = source_of(a), source_b = source_of(b);
    return std::tie(source_a, a.name, a.number) < std::tie(source_b, b.name, b.number);
  });
  for (const auto& [number, reason] : results.unreadable) options.unreadable(reason);
  table.counts.unreadable += std::ssize(results.unreadable);
  const auto stays = take_unique(results.stays, options, table.counts);
  for (const VitalsWorker& worker : workers) add_counts(table.counts, worker.counts);
  merge_stays(stays, table);
}

}  // namespace salus::io
