#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace salus::data {

/// A fixed set of threads for reading and decoding files. Operators called on one of them run on
/// that thread alone: the parallelism is over files.
class ThreadPool {
 public:
  /// \param threads  0 = as many as the process may use.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()); }

  /// Calls `work(i)` for i in [0, n) and returns when all are done. If calls throw, the exception
  /// of the lowest i is rethrown after the rest is done. Must not be called from a pool thread.
  void for_each(std::int64_t n, const std::function<void(std::int64_t)>& work);

 private:
  void run();
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;
  bool stop_ = false;
};

}  // namespace salus::data
