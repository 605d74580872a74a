#include "engine/train/tensorboard.h"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <filesystem>
#include <span>

#include "engine/io/error.h"
#include "engine/io/crc32c.h"

namespace salus::train {
namespace {

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kSummaryValue = 1, kValueTag = 1, kValueSimple = 2;
constexpr int kSessionStatus = 1, kSessionStart = 1;

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_tag(std::string& out, int field, WireType type) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | type);
}

template <typename T>
void put_fixed(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void put_bytes(std::string& out, int field, const std::string& bytes) {
  put_tag(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event(std::int64_t step) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const double seconds = std::chrono::duration<double>(now).count();
  std::string out;
  put_tag(out, kWallTime, kFixed64);
  put_fixed(out, std::bit_cast<std::uint64_t>(seconds));
  put_tag(out, kStep, kVarint);
  put_varint(out, static_cast<std::uint64_t>(step));
  return out;
}

std::uint32_t masked(const std::string& bytes) {
  const std::uint32_t crc = io::crc32c(std::as_bytes(std::span(bytes)));
  return std::rotr(crc, 15) + 0xa282ead8u;
}

/// A name that is not taken: TensorBoard reads the files of a folder in the order of their names.
std::string free_name(const std::string& folder) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  for (int i = 0;; ++i) {
    const auto path = fmt::format("{}/events.out.tfevents.{:010}.salus.{}", folder, seconds, i);
    if (!std::filesystem::exists(path)) return path;
  }
}

}  // namespace

EventWriter::EventWriter(const std::string& folder, std::int64_t first_step)
    : path_(free_name(folder)), file_(path_, std::ios::binary) {
  std::string version = event(0);
  put_bytes(version, kFileVersion, "brain.Event:2");
  record(version);
  if (first_step == 0) return;
  std::string start = event(first_step);
  std::string session;
  put_tag(session, kSessionStatus, kVarint);
  put_varint(session, kSessionStart);
  put_bytes(start, kSessionLog, session);
  record(start);
}

void EventWriter::write(std::int64_t step,
                        const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    std::string entry;
    put_bytes(entry, kValueTag, tag);
    put_tag(entry, kValueSimple, kFixed32);
    put_fixed(entry, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    put_bytes(summary, kSummaryValue, entry);
  }
  std::string message = event(step);
  put_bytes(message, kSummary, summary);
  record(message);
}

void EventWriter::record(const std::string& message) {
  std::string length;
  put_fixed(length, static_cast<std::uint64_t>(message.size()));
  std::string out = length;
  put_fixed(out, masked(length));
  out += message;
  put_fixed(out, masked(message));
  file_.write(out.data(), static_cast<std::streamsize>(out.size()));
  file_.flush();
  if (!file_) throw Error(fmt::format("{} cannot be written: is the disk full?", path_));
}

}  // namespace salus::train
