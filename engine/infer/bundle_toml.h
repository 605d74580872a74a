#pragma once

#include <string>
#include <vector>

#include "engine/infer/bundle.h"

namespace salus::infer {

/// Version of the folder's layout that this program writes, and the newest that it reads.
inline constexpr std::int64_t kBundleFormat = 1;

struct FileChecksum {
  std::string name;  ///< plain name inside the folder
  std::string sha256;
};

/// bundle.toml: all of a bundle but its weights, metrics and card.
std::string write_bundle_toml(const Bundle& bundle, const std::vector<FileChecksum>& files);

/// The reverse; weights, metrics_json and model_card stay empty. `files` receives the checksums.
/// \throws Error naming `origin`, line and key: a future format first, then missing, unknown and
///         contradictory keys.
Bundle parse_bundle_toml(const std::string& text, const std::string& origin,
                         std::vector<FileChecksum>& files);

/// \throws Error if parts of the bundle contradict each other.
void check_consistent(const Bundle& bundle, const std::string& origin);

}  // namespace salus::infer
