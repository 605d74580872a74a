#include "engine/stream/state_slab.h"

#include <new>

namespace salus::stream {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

StateSlab::Block::Block(std::size_t bytes)
    : data_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {}

StateSlab::Block::~Block() { ::operator delete(data_, kAlignment); }

std::int32_t StateSlab::take() {
  if (!free_.empty()) {
    const std::int32_t number = free_.back();
    free_.pop_back();
    return number;
  }
  if (end_ == static_cast<std::int64_t>(blocks_.size()) * kBlock) {
    blocks_.push_back(std::make_unique<Block>(static_cast<std::size_t>(kBlock) * stride_));
  }
  return end_++;
}

}  // namespace salus::stream
