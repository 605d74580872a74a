#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace salus::test {

/// The bytes of a zip archive (APPNOTE.TXT 6.3) whose entries, name and contents, are stored as they
/// are.
inline std::vector<std::byte> stored_zip(
    const std::vector<std::pair<std::string, std::vector<std::byte>>>& entries) {
  std::vector<std::byte> out, directory;
  const auto put = [](std::vector<std::byte>& to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::byte>(value >> (8 * i)));
  };
  const auto put_name = [](std::vector<std::byte>& to, const std::string& name) {
    for (const char c : name) to.push_back(static_cast<std::byte>(c));
  };
  // Version to "extra length": the same in the local header and in the directory.
  const auto put_common = [&](std::vector<std::byte>& to, const auto& entry) {
    const auto& [name, bytes] = entry;
    put(to, 20, 2);
    put(to, 0, 8);  // flags, method, time, date
    put(to, crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()), 4);
    put(to, bytes.size(), 4);
    put(to, bytes.size(), 4);
    put(to, name.size(), 2);
    put(to, 0, 2);
  };
  for (const auto& entry : entries) {
    const std::size_t offset = out.size();
    put(out, 0x04034b50, 4);
    put_common(out, entry);
    put_name(out, entry.first);
    out.insert(out.end(), entry.second.begin(), entry.second.end());
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    put_common(directory, entry);
    put(directory, 0, 10);  // comment length, disk, attributes
    put(directory, offset, 4);
    put_name(directory, entry.first);
  }
  const std::size_t offset = out.size();
  out.insert(out.end(), directory.begin(), directory.end());
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, entries.size(), 2);
  put(out, entries.size(), 2);
  put(out, directory.size(), 4);
  put(out, offset, 4);
  put(out, 0, 2);
  return out;
}

}  // namespace salus::test
