#include "engine/stream/snapshot.h"

#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "engine/io/crc32c.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/posix.h"

namespace salus::stream {
namespace {

constexpr std::array<char, 8> kMagic = {'S', 'A', 'L', 'U', 'S', 'T', 'A', 'Y'};
constexpr std::uint32_t kVersion = 1;

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::int32_t history = 0;
  std::int32_t duplicates = 0;
  std::uint32_t body_crc = 0;
  std::array<char, 64> identity = {};  ///< StreamModel::identity()
  std::uint64_t state_bytes = 0;
  std::int64_t stays = 0;
  std::int64_t position = 0;
  std::uint64_t body_bytes = 0;
  std::uint32_t unused = 0;
  std::uint32_t crc = 0;  ///< of all before
};
static_assert(sizeof(Header) == 128, "the layout of the file");

Header header_of(const StreamModel& model) {
  Header header;
  header.history = model.options().history;
  const auto duplicates = model.options().duplicates.value_or(io::RowPolicy::kAccept);
  header.duplicates = static_cast<std::int32_t>(duplicates);
  model.identity().copy(header.identity.data(), header.identity.size());
  header.state_bytes = model.state_bytes();
  return header;
}

std::uint32_t crc_of(const Header& header) {
  return io::crc32c(std::as_bytes(std::span(&header, 1)).first(sizeof header - sizeof header.crc));
}

Header read_header(std::span<const std::byte> bytes, const std::string& origin) {
  Header header;
  if (bytes.size() < sizeof header ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw DamagedSnapshot(
        fmt::format("{} is not a snapshot of stays, or only the beginning of one.", origin));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version > kVersion) {
    throw Error(fmt::format(
        "{} is a snapshot of version {}, and this program reads up to {}. Use a newer Salus.",
        origin, header.version, kVersion));
  }
  if (header.version == 0 || crc_of(header) != header.crc) {
    throw DamagedSnapshot(
        fmt::format("{} is damaged: the checksum of its header is wrong.", origin));
  }
  const std::size_t body = bytes.size() - sizeof header;
  if (body != header.body_bytes) {
    throw DamagedSnapshot(
        fmt::format("{} is truncated or damaged: it has {} bytes of stays instead of {}.", origin,
                    body, header.body_bytes));
  }
  if (io::crc32c(bytes.subspan(sizeof header)) != header.body_crc) {
    throw DamagedSnapshot(
        fmt::format("{} is damaged: the checksum of its stays is wrong.", origin));
  }
  return header;
}

void refuse_other(const Header& header, const StreamModel& model, const std::string& origin) {
  const Header mine = header_of(model);
  if (header.identity != mine.identity) {
    throw Error(fmt::format(
        "{} holds stays of another bundle: weights, transform, calibration or operating points "
        "differ. Use that bundle, or begin anew without the snapshot.",
        origin));
  }
  if (header.history != mine.history || header.duplicates != mine.duplicates) {
    throw Error(
        fmt::format("{} was made with a history of {} bins and policy {} for duplicates; "
                    "these are {} and {} now. Stream with the options it was made with.",
                    origin, header.history, header.duplicates, mine.history, mine.duplicates));
  }
  if (header.state_bytes == mine.state_bytes) return;
  throw Error(fmt::format("{} has states of {} bytes instead of {}; it was made by another Salus.",
                          origin, header.state_bytes, mine.state_bytes));
}

}  // namespace

void Snapshot::reserve(std::size_t stays, std::size_t id_bytes) {
  bytes_.reserve(sizeof(Header) + id_bytes +
                 stays * (model_.state_bytes() + sizeof(std::uint32_t)));
}

void Snapshot::add(std::string_view id, const std::byte* state) {
  if (bytes_.empty()) bytes_.resize(sizeof(Header));
  const auto length = static_cast<std::uint32_t>(id.size());
  const auto append = [this](const void* from, std::size_t count) {
    const auto* first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + count);
  };
  append(&length, sizeof length);
  append(id.data(), id.size());
  append(state, model_.state_bytes());
  ++stays_;
}

std::vector<std::byte> Snapshot::finish(std::int64_t position) && {
  if (bytes_.empty()) bytes_.resize(sizeof(Header));
  Header header = header_of(model_);
  header.stays = stays_;
  header.position = position;
  header.body_bytes = bytes_.size() - sizeof header;
  header.body_crc = io::crc32c(std::span(bytes_).subspan(sizeof header));
  header.crc = crc_of(header);
  std::memcpy(bytes_.data(), &header, sizeof header);
  return std::move(bytes_);
}

std::int64_t read_snapshot(std::span<const std::byte> bytes, const StreamModel& model,
                           const std::string& origin, const SnapshotStay& stay) {
  const Header header = read_header(bytes, origin);
  refuse_other(header, model, origin);
  std::span<const std::byte> rest = bytes.subspan(sizeof header);
  const auto damaged = [&] {
    return DamagedSnapshot(
        fmt::format("{} is damaged: its stays are not as its header says.", origin));
  };
  for (std::int64_t i = 0; i < header.stays; ++i) {
    std::uint32_t length = 0;
    if (rest.size() < sizeof length) throw damaged();
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    if (rest.size() < length + model.state_bytes()) throw damaged();
    stay({reinterpret_cast<const char*>(rest.data()), length}, rest.data() + length);
    rest = rest.subspan(length + model.state_bytes());
  }
  if (!rest.empty()) throw damaged();
  return header.position;
}

void write_snapshot(const std::string& path, std::span<const std::byte> bytes) {
  namespace fs = std::filesystem;
  io::AtomicFile file(path);
  file.write_at(0, bytes);
  if (std::error_code ignored; fs::is_regular_file(path, ignored)) {
    // By a second name for the old file, so that at no moment there is none at `path`.
    const std::string second = fmt::format("{}.{}.link", path, ::getpid());
    const std::string previous = previous_snapshot(path);
    ::unlink(second.c_str());
    if (::link(path.c_str(), second.c_str()) != 0) {
      io::throw_system_error("Cannot keep", previous, errno);
    }
    // rename() does nothing if both are one file already.
    const int failed = ::rename(second.c_str(), previous.c_str()) != 0 ? errno : 0;
    ::unlink(second.c_str());
    if (failed != 0) io::throw_system_error("Cannot keep", previous, failed);
  }
  file.commit();
}

std::string previous_snapshot(const std::string& path) { return path + ".previous"; }

void require_snapshot_writable(const std::string& path) {
  std::error_code ignored;
  for (const std::string& file : {path, previous_snapshot(path)}) {
    const auto status = std::filesystem::status(file, ignored);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
      throw Error(
          fmt::format("{} is no regular file; a snapshot needs one there. Name another.", file));
    }
  }
  const io::AtomicFile probe(path);  // beside the name itself, as write_snapshot()
}

}  // namespace salus::stream
