#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace simt {

/// What one launch moved to and from one array. Counted only in files built with the access hooks
/// (see counts_accesses()).
struct Traffic {
  std::uint64_t reads = 0;   ///< accesses by single threads, of any width
  std::uint64_t writes = 0;  ///< the same; an atomic counts as one read and one write
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t elements_read = 0;     ///< distinct elements that were read at least once
  std::uint64_t elements_written = 0;  ///< distinct elements that were written at least once
  std::uint64_t widest = 0;            ///< bytes of the widest single access
  /// With Options::count_transactions: 32-byte sectors (global memory) or bank passes (shared
  /// memory) that the warps' requests cost, and the fewest that the same bytes could cost. More of
  /// the first are uncoalesced accesses and bank conflicts.
  std::uint64_t transactions = 0;
  std::uint64_t fewest_transactions = 0;
};

enum class Space { kGlobal, kShared };
enum class Access { kRead, kWrite, kAtomic };

/// True if this binary's kernel bodies report each access (false under a sanitizer, which takes the
/// place of the hooks: bounds are then AddressSanitizer's business and bytes are not counted).
bool counts_accesses();

/// Memory that a kernel may touch: known by name to every error message, filled with 0xff (NaN,
/// -1), with guard zones around it whose damage is reported even without access hooks.
class Array {
 public:
  Array(std::string name, std::size_t bytes, std::size_t element_bytes, Space space);
  ~Array();
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  void* data() const { return data_; }
  const std::string& name() const { return name_; }
  std::size_t bytes() const { return bytes_; }
  Space space() const { return space_; }
  Traffic& traffic() { return traffic_; }

  /// 0xff everywhere, nothing written yet, guard zones whole again.
  void poison();
  /// From now on the whole array counts as written by the host.
  void mark_initialised();
  /// Forgets who touched what in the last launch.
  void forget_launch();
  bool guards_intact() const;

  bool contains(std::uintptr_t address) const { return address - begin_ < bytes_; }
  /// True if `address` lies so near that an overrun is the likely cause.
  bool is_near(std::uintptr_t address) const;
  /// "'sums'[12]"
  std::string describe(std::uintptr_t address) const;

  /// Checks bounds, initialisation and races, and counts. Fails the launch on an error.
  void access(std::uintptr_t address, std::size_t bytes, Access kind);

  /// From a write that was noted until land(), an asynchronous copy is on its way to these bytes:
  /// they hold 0xff and any access fails the launch.
  void expect(std::uintptr_t address, std::size_t bytes);
  /// The running thread has waited for them.
  void land(std::uintptr_t address, std::size_t bytes);

 private:
  /// Which thread touched an element, and at which point of its life.
  struct Stamp {
    std::uint32_t thread = 0;      ///< id; those below since_ count as nobody
    std::uint32_t epoch = 0;       ///< barriers of the block passed before
    std::uint32_t clock : 31 = 0;  ///< __syncwarps of the thread passed before
    std::uint32_t atomic : 1 = 0;
  };
  struct Element {
    Stamp write, read, earlier_read;
    bool expected = false;  ///< an asynchronous copy is on its way
  };

  std::size_t index_of(std::uintptr_t address) const {
    const std::size_t offset = address - begin_;
    return element_shift_ >= 0 ? offset >> element_shift_ : offset / element_bytes_;
  }
  void check_element(std::size_t index, Access kind, const Stamp& now);
  void check_race(std::size_t index, const Stamp& before, const Stamp& now) const;
  [[noreturn]] void fail_race(std::size_t index, const Stamp& before, const Stamp& now) const;
  bool was_written(const Element& element) const;
  Stamp stamp_of_running() const;

  std::string name_;
  std::size_t bytes_;
  std::size_t element_bytes_;
  int element_shift_ = -1;  // log2 of element_bytes_ if that is whole
  Space space_;
  std::unique_ptr<unsigned char[]> storage_;
  unsigned char* data_ = nullptr;
  std::uintptr_t begin_ = 0;
  Traffic traffic_;
  // Stamps are never cleared: of the launch (global) or block (shared) are those from since_ on.
  std::vector<Element> elements_;
  std::vector<std::size_t> expected_;  // elements that were ever expected since poison()
  std::uint32_t since_ = 1;
  bool filled_by_host_ = false;
};

/// An array in global memory, as cudaMalloc gives it: aligned to 256 bytes.
template <typename T>
class Buffer {
 public:
  /// Uninitialised: reading an element before it is written is an error.
  Buffer(std::string name, std::size_t size)
      : array_(
            std::make_unique<Array>(std::move(name), size * sizeof(T), sizeof(T), Space::kGlobal)),
        size_(size) {}

  Buffer(std::string name, std::span<const T> values) : Buffer(std::move(name), values.size()) {
    for (std::size_t i = 0; i < size_; ++i) data()[i] = values[i];
    array_->mark_initialised();
  }
  Buffer(std::string name, const std::vector<T>& values)
      : Buffer(std::move(name), std::span<const T>(values)) {}

  T* data() const { return static_cast<T*>(array_->data()); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data()[i]; }
  T* begin() const { return data(); }
  T* end() const { return data() + size_; }

 private:
  std::unique_ptr<Array> array_;
  std::size_t size_;
};

/// Every array alive in global memory, by address.
std::vector<Array*>& global_arrays();

/// One access of a kernel body from `place` of its code, from the hooks.
void note_access(std::uintptr_t address, std::size_t bytes, Access kind, const void* place);

/// Fails the launch if the access is a kernel body's (host code may do what the processor allows).
void note_misaligned(const void* address, std::size_t bytes, Access kind);

}  // namespace simt
