#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/error.h"
#include "engine/stream/stream_model.h"

namespace salus::stream {

/// States of stays as bytes: a header (magic, version, the model's identity, how states are laid out,
/// sizes), then per stay its id and state; a CRC-32C over each of the two.
class Snapshot {
 public:
  explicit Snapshot(const StreamModel& model) : model_(model) {}

  /// Room for so many stays whose ids have so many bytes together.
  void reserve(std::size_t stays, std::size_t id_bytes);
  void add(std::string_view id, const std::byte* state);
  /// \param position  a number of the caller's own, as how much of a source these states have seen.
  std::vector<std::byte> finish(std::int64_t position) &&;

 private:
  const StreamModel& model_;
  std::int64_t stays_ = 0;
  std::vector<std::byte> bytes_;
};

/// What read_snapshot() finds.
using SnapshotStay = std::function<void(std::string_view id, const std::byte* state)>;

/// Bytes are not what any snapshot is: the one before it may be whole.
class DamagedSnapshot : public Error {
 public:
  using Error::Error;
};

/// Checks all bytes, then hands every stay to `stay`. States need not be aligned.
/// \returns the position.
/// \throws Error beginning with `origin`: a version from the future, of another bundle, or of other
///         StreamOptions::history or duplicates. DamagedSnapshot if it is none, truncated or damaged.
std::int64_t read_snapshot(std::span<const std::byte> bytes, const StreamModel& model,
                           const std::string& origin, const SnapshotStay& stay);

/// Writes a snapshot atomically: temporary file, fsync, rename. The snapshot that was at `path` is then
/// `path`.previous. A writer that is killed at any time leaves a whole snapshot at `path`.
/// \throws Error; what was at `path` is then still there.
void write_snapshot(const std::string& path, std::span<const std::byte> bytes);

/// Where write_snapshot() keeps the snapshot that was at `path`.
std::string previous_snapshot(const std::string& path);

/// For before a stream begins: what write_snapshot() needs is there. Leaves nothing behind.
/// \throws Error if `path` is there and no regular file, or if no file can be made beside it.
void require_snapshot_writable(const std::string& path);

}  // namespace salus::stream
