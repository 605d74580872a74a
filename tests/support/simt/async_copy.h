#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace simt {

/// The cp.async copies of one thread. The data arrives at the last moment that the PTX ISA allows,
/// which is the wait for its group: until then the destination holds 0xff (Array::expect()).
class AsyncCopies {
 public:
  /// 16 bytes to shared memory; `from` is null for zeros.
  void start(void* to, const void* from) { open_.push_back({to, from}); }
  void commit();
  /// Lets the oldest groups arrive until `pending` are left.
  void wait(std::size_t pending);
  /// Forgets all that is under way.
  void drop() { open_.clear(), groups_.clear(); }

 private:
  struct Copy {
    void* to;
    const void* from;
  };
  using Group = std::vector<Copy>;

  Group open_;
  std::deque<Group> groups_;
};

}  // namespace simt
