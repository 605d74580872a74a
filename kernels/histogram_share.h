#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace salus::kernels {

/// Working memory of one thread, aligned to cache lines and kept between calls: fresh pages would
/// cost more than the work.
class HistogramScratch {
 public:
  void* bytes(std::size_t count) {
    if (count > size_) {
      memory_.reset(static_cast<unsigned char*>(::operator new(count, kAlignment)));
      std::fill_n(memory_.get(), count, static_cast<unsigned char>(0));
      size_ = count;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(unsigned char* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<unsigned char, Free> memory_;
  std::size_t size_ = 0;
};

/// Calls work(i, scratch) for i in [0, count): threads take the next when they are done with one.
template <typename Work>
void share_work(std::int64_t count, const Work& work) {
  const std::int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  std::atomic<std::int64_t> next{0};
  at::parallel_for(0, std::min(threads, count), 1, [&](std::int64_t, std::int64_t) {
    thread_local HistogramScratch scratch;
    for (std::int64_t i = next++; i < count; i = next++) work(i, scratch);
  });
}

}  // namespace salus::kernels
