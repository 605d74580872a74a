#include "engine/io/safetensors.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/numbers.h"
#include "engine/io/posix.h"

namespace salus::io {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kAlignment = 64;
constexpr const char* kMetadata = "__metadata__";

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(
      fmt::format("{} {}; the safetensors file is truncated or damaged, fetch or save it again.",
                  path, reason));
}

Json parse_header(const std::string& path, std::span<const std::byte> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  std::set<std::string> names;
  // JSON keeps the last of equal keys; here the second is refused.
  const auto refuse_repeats = [&](int depth, Json::parse_event_t event, Json& key) {
    if (depth == 1 && event == Json::parse_event_t::key && !names.insert(key).second) {
      fail(path, fmt::format("names entry {} twice", key.get<std::string>()));
    }
    return true;
  };
  try {
    Json header = Json::parse(text, text + bytes.size(), refuse_repeats);
    if (!header.is_object()) fail(path, "has a header that is not a JSON object");
    return header;
  } catch (const Json::exception&) {
    fail(path, "has a header that is not JSON");
  }
}

struct Entry {
  std::string name;
  NamedArray array;
  std::int64_t begin = 0, end = 0;
};

std::vector<std::int64_t> sizes(const std::string& path, const std::string& name,
                                const Json& list) {
  std::vector<std::int64_t> values;
  bool good = list.is_array();
  for (const Json& item : list) {
    good = good && item.is_number_unsigned() && item.get<std::uint64_t>() <= std::uint64_t{1} << 62;
    if (good) values.push_back(item.get<std::int64_t>());
  }
  if (!good) fail(path, fmt::format("has sizes of entry {} that are not whole numbers", name));
  return values;
}

Entry parse_entry(const std::string& path, const std::string& name, const Json& value,
                  std::int64_t data_size) {
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    fail(path, fmt::format("has no dtype, shape and data_offsets for entry {}", name));
  }
  Entry entry{name, {value["dtype"].get<std::string>(), sizes(path, name, value["shape"]), {}}};
  const auto offsets = sizes(path, name, value["data_offsets"]);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size) {
    fail(path, fmt::format("has entry {} outside its data", name));
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  const std::int64_t item = safetensors_item_size(entry.array.dtype);
  if (item == 0) {
    throw Error(
        fmt::format("{} has entry {} in dtype {}, which is not known here; save it in F32, F16 "
                    "or BF16.",
                    path, name, entry.array.dtype));
  }
  if (checked_bytes(entry.array.shape, item) != entry.end - entry.begin) {
    fail(path, fmt::format("has {} bytes for entry {}, which do not fit its dtype and shape",
                           entry.end - entry.begin, name));
  }
  return entry;
}

// The format forbids holes and overlaps: bytes that no entry owns could smuggle anything.
void check_cover(const std::string& path, std::vector<Entry>& entries, std::int64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::int64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      fail(path, fmt::format("has entry {} at byte {} of its data where byte {} should follow",
                             entry.name, entry.begin, at));
    }
    at = entry.end;
  }
  if (at != data_size) fail(path, fmt::format("has {} bytes after its last entry", data_size - at));
}

void take_metadata(const std::string& path, const Json& value,
                   std::map<std::string, std::string>* metadata) {
  if (!value.is_object()) fail(path, "has metadata that is not a JSON object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail(path, "has metadata that is not text");
    if (metadata != nullptr) (*metadata)[key] = text.get<std::string>();
  }
}

}  // namespace

std::int64_t safetensors_item_size(const std::string& dtype) {
  static const std::map<std::string, std::int64_t> kSizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},   {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2},
      {"U16", 2},  {"F16", 2}, {"BF16", 2}, {"I32", 4},     {"U32", 4},     {"F32", 4},
      {"I64", 8},  {"U64", 8}, {"F64", 8},  {"C64", 8}};
  const auto found = kSizes.find(dtype);
  return found == kSizes.end() ? 0 : found->second;
}

NamedArrays read_safetensors(const std::string& path,
                             std::map<std::string, std::string>* metadata) {
  const InputFile file(path);
  if (file.size() < 8) fail(path, "is shorter than a header");
  const auto claimed = load_le<std::uint64_t>(file.read_up_to(0, 8), 0);
  if (claimed > kMaxHeader || static_cast<std::int64_t>(claimed) > file.size() - 8) {
    fail(path, "claims a header longer than the file or the format allows");
  }
  const auto header_size = static_cast<std::int64_t>(claimed);
  const std::int64_t data_offset = 8 + header_size;
  const std::int64_t data_size = file.size() - data_offset;
  const Json header = parse_header(path, file.read_up_to(8, header_size));
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadata) {
      take_metadata(path, value, metadata);
    } else {
      entries.push_back(parse_entry(path, name, value, data_size));
    }
  }
  check_cover(path, entries, data_size);
  NamedArrays arrays;
  for (Entry& entry : entries) {
    entry.array.bytes = file.read_up_to(data_offset + entry.begin, entry.end - entry.begin);
    arrays.emplace(entry.name, std::move(entry.array));
  }
  return arrays;
}

void write_safetensors(const std::string& path, const NamedArrays& arrays,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const NamedArrays::value_type*> order;
  for (const auto& entry : arrays) {
    const std::int64_t item = safetensors_item_size(entry.second.dtype);
    const auto size = static_cast<std::int64_t>(entry.second.bytes.size());
    if (item == 0 || checked_bytes(entry.second.shape, item) != size || entry.first == kMetadata) {
      throw Error(
          fmt::format("Cannot write {}: entry {} with {} bytes does not fit dtype {} and its "
                      "shape.",
                      path, entry.first, size, entry.second.dtype));
    }
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return safetensors_item_size(a->second.dtype) > safetensors_item_size(b->second.dtype);
  });
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  std::int64_t at = 0;
  for (const auto* entry : order) {
    const std::int64_t end = at + static_cast<std::int64_t>(entry->second.bytes.size());
    header[entry->first] = {{"dtype", entry->second.dtype},
                            {"shape", entry->second.shape},
                            {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  while ((8 + text.size()) % kAlignment != 0) text += ' ';
  std::vector<std::byte> bytes;
  bytes.reserve(8 + text.size() + static_cast<std::size_t>(at));
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::byte>(text.size() >> (8 * i)));
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  for (const auto* entry : order) {
    bytes.insert(bytes.end(), entry->second.bytes.begin(), entry->second.bytes.end());
  }
  write_file(path, bytes);
}

}  // namespace salus::io
