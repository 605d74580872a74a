#include "engine/data/thread_pool.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "engine/io/files.h"

namespace salus::data {

ThreadPool::ThreadPool(int threads) {
  const int count = threads > 0 ? threads : io::available_threads();
  for (int i = 0; i < count; ++i) workers_.emplace_back([this] { run(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  ready_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run() {
  omp_set_num_threads(1);  // a team per worker would oversubscribe the cores
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

namespace {

/// What the threads of one for_each share.
struct Job {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::condition_variable done;
  int running = 0;
  std::int64_t failed_at = -1;
  std::exception_ptr failure;

  void drain(std::int64_t n, const std::function<void(std::int64_t)>& work) {
    for (std::int64_t i = next++; i < n; i = next++) {
      try {
        work(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (failed_at < 0 || i < failed_at) {
          failed_at = i;
          failure = std::current_exception();
        }
      }
    }
    std::lock_guard lock(mutex);
    if (--running == 0) done.notify_all();
  }
};

}  // namespace

void ThreadPool::for_each(std::int64_t n, const std::function<void(std::int64_t)>& work) {
  if (n <= 0) return;
  Job job;
  job.running = static_cast<int>(std::min<std::int64_t>(n, size()));
  {
    std::lock_guard lock(mutex_);
    for (int i = 0; i < job.running; ++i) tasks_.push_back([&] { job.drain(n, work); });
  }
  ready_.notify_all();
  std::unique_lock lock(job.mutex);
  job.done.wait(lock, [&] { return job.running == 0; });
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace salus::data
