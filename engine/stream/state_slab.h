#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace salus::stream {

/// States of equal size, numbered from 0, in blocks of memory that are made when they are first needed
/// and never move. Numbers that are given back are given out again first.
class StateSlab {
 public:
  /// States in a block.
  static constexpr std::int64_t kBlock = 1024;

  explicit StateSlab(std::size_t state_bytes) : stride_((state_bytes + 63) / 64 * 64) {}

  /// Memory of unspecified contents, aligned to 64.
  std::int32_t take();
  void give_back(std::int32_t number) { free_.push_back(number); }
  std::byte* at(std::int32_t number) const {
    const auto n = static_cast<std::size_t>(number);
    return blocks_[n / kBlock]->data() + n % kBlock * stride_;
  }
  /// Numbers given out so far are below this.
  std::int32_t end() const { return end_; }
  std::size_t stride() const { return stride_; }

 private:
  class Block {
   public:
    explicit Block(std::size_t bytes);
    ~Block();
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    std::byte* data() const { return data_; }

   private:
    std::byte* data_;
  };

  std::size_t stride_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::int32_t> free_;
  std::int32_t end_ = 0;
};

}  // namespace salus::stream
