#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace salus::io {

/// One array of a weights file; bytes in little-endian row-major order.
struct NamedArray {
  std::string dtype;  ///< safetensors names: "F32", "F16", "BF16", "I64", "U8", ...
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

using NamedArrays = std::map<std::string, NamedArray>;

/// Bytes of one value of a safetensors dtype, or 0 if the dtype is unknown.
std::int64_t safetensors_item_size(const std::string& dtype);

/// Reads a safetensors file. Header size, offsets, overlaps and dtype x shape are checked.
/// `metadata`, if not null, receives the file's text metadata.
/// \throws salus::Error naming file and entry.
NamedArrays read_safetensors(const std::string& path,
                             std::map<std::string, std::string>* metadata = nullptr);

/// Writes atomically (temporary name, fsync, rename). The data begin at a multiple of 64 bytes and
/// have no holes, as the format demands; wider values come first, so that each entry is aligned to
/// its value size, then entries go by name. The same arrays give the same bytes.
/// \throws salus::Error for an unknown dtype or bytes that do not fit dtype and shape.
void write_safetensors(const std::string& path, const NamedArrays& arrays,
                       const std::map<std::string, std::string>& metadata = {});

/// Reads a PyTorch `.pt`/`.pth` state dict (zip format) with an unpickler that knows only tensors,
/// OrderedDict and plain containers and scalars; anything else is refused, never run.
/// A checkpoint that nests the state dict under "state_dict" or "model" is accepted. Views of a
/// shared storage and non-contiguous tensors become arrays of their own; entries that are not
/// tensors (epoch, options) are left out.
/// \throws salus::Error naming the file and the global that was refused.
NamedArrays read_pytorch(const std::string& path);

/// By content: safetensors or PyTorch.
NamedArrays read_weights(const std::string& path);

}  // namespace salus::io
