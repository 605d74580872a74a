#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace salus::io {

/// One array of a weights file; bytes in little-endian row-major order.
struct NamedArray {
  std::string dtype;                 ///< safetensors names: "F32", "F16", "BF16", "I64", "U8", ...
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

using NamedArrays = std::map<std::string, NamedArray>;

/// Reads a safetensors file. Header size, offsets, overlaps and dtype x shape are checked.
/// \throws salus::Error naming file and entry.
NamedArrays read_safetensors(const std::string& path,
                             std::map<std::string, std::string>* metadata = nullptr);

/// Writes atomically (temporary name, fsync, rename); entries in name order, 64-byte aligned.
void write_safetensors(const std::string& path, const NamedArrays& arrays,
                       const std::map<std::string, std::string>& metadata = {});

/// Reads a PyTorch `.pt`/`.pth` state dict (zip format) with an unpickler that knows only tensors,
/// OrderedDict and plain containers and scalars; anything else is refused, never run.
/// A checkpoint that nests the state dict under "state_dict" or "model" is accepted.
/// \throws salus::Error naming the file and the global that was refused.
NamedArrays read_pytorch(const std::string& path);

/// By content: safetensors or PyTorch.
NamedArrays read_weights(const std::string& path);

}  // namespace salus::io
