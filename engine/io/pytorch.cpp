#include <fmt/core.h>

#include <algorithm>

#include "engine/io/error.h"
#include "engine/io/numbers.h"
#include "engine/io/pytorch_pickle.h"
#include "engine/io/safetensors.h"
#include "engine/io/zip.h"

namespace salus::io {
namespace {

using Kind = PickleValue::Kind;

constexpr std::int64_t kMaxPickle = 16 << 20;
// Tensors may share a storage or repeat it (stride 0); honest files do so a little.
constexpr std::int64_t kMaxExpansion = 16;

class Checkpoint {
 public:
  explicit Checkpoint(const std::string& path) : path_(path), zip_(path) {
    const ZipEntry* pickle = nullptr;
    for (const ZipEntry& entry : zip_.entries()) {
      if (entry.name.ends_with("/constants.pkl")) {
        throw Error(
            fmt::format("{} is a TorchScript archive, not a state dict; save "
                        "torch.jit.load(path).state_dict() with torch.save.",
                        path));
      }
      if (entry.name.ends_with("/data.pkl")) pickle = &entry;
    }
    if (pickle == nullptr) {
      throw Error(
          fmt::format("{} is a zip archive without data.pkl; it is not a PyTorch file.", path));
    }
    if (pickle->size > kMaxPickle) {
      throw Error(fmt::format("{} has a pickle of {} bytes, more than the {} of any state dict.",
                              path, pickle->size, kMaxPickle));
    }
    root_ = pickle->name.substr(0, pickle->name.size() - std::string("data.pkl").size());
    read_byte_order();
    top_ = unpickle(zip_.read(*pickle), path, arena_);
  }

  NamedArrays arrays() {
    const PickleValue* dict = state_dict();
    NamedArrays arrays;
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2) {
      const PickleValue& key = *dict->items[i];
      const PickleValue& value = *dict->items[i + 1];
      if (value.kind != Kind::kTensor || key.kind != Kind::kText) continue;
      arrays[key.text] = materialise(key.text, value);
    }
    if (!arrays.empty()) return arrays;
    throw Error(
        fmt::format("{} holds no state dict: no dictionary of tensors at its top, nor under "
                    "\"state_dict\" or \"model\".",
                    path_));
  }

 private:
  void read_byte_order() {
    const ZipEntry* record = zip_.find(root_ + "byteorder");
    if (record == nullptr || record->size > 16) return;
    const auto bytes = zip_.read(*record);
    const std::string order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    big_endian_ = order == "big";
  }

  static const PickleValue* member(const PickleValue& dict, const std::string& name) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = *dict.items[i];
      if (key.kind == Kind::kText && key.text == name && dict.items[i + 1]->kind == Kind::kDict) {
        return dict.items[i + 1];
      }
    }
    return nullptr;
  }

  const PickleValue* state_dict() const {
    if (top_->kind != Kind::kDict) {
      throw Error(
          fmt::format("{} holds no dictionary at its top; save model.state_dict().", path_));
    }
    for (const char* name : {"state_dict", "model"}) {
      if (const PickleValue* nested = member(*top_, name)) return nested;
    }
    return top_;
  }

  const std::vector<std::byte>& storage(const PickleValue& value) {
    const auto cached = storages_.find(value.text);
    if (cached != storages_.end()) return cached->second;
    const ZipEntry* entry = zip_.find(root_ + "data/" + value.text);
    if (entry == nullptr) {
      throw Error(
          fmt::format("{} lacks the data of storage {}; the file is damaged, save it again.", path_,
                      value.text));
    }
    return storages_.emplace(value.text, zip_.read(*entry)).first->second;
  }

  // Bytes of the tensor, or -1 if it reaches outside its storage.
  static std::int64_t extent_bytes(const PickleValue& tensor, std::int64_t item,
                                   std::size_t stored) {
    const std::int64_t bytes = checked_bytes(tensor.shape, item);
    if (bytes <= 0) return bytes;
    __int128 last = tensor.integer;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      last += static_cast<__int128>(tensor.shape[i] - 1) * tensor.strides[i];
    }
    return (last + 1) * item <= static_cast<__int128>(stored) ? bytes : -1;
  }

  static bool contiguous(const PickleValue& tensor) {
    std::int64_t stride = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
      if (tensor.shape[i] != 1 && tensor.strides[i] != stride) return false;
      stride *= tensor.shape[i];
    }
    return true;
  }

  NamedArray materialise(const std::string& name, const PickleValue& tensor) {
    const std::vector<std::byte>& stored = storage(*tensor.storage);
    const std::int64_t item = safetensors_item_size(tensor.dtype);
    const std::int64_t bytes = extent_bytes(tensor, item, stored.size());
    if (bytes < 0) {
      throw Error(
          fmt::format("{} has entry {} reaching outside its storage; the file is damaged, save "
                      "it again.",
                      path_, name));
    }
    total_ += bytes;
    if (total_ > kMaxExpansion * (zip_.file_size() + (1 << 16))) {
      throw Error(
          fmt::format("{} has tensors of more than {} times its size; save them contiguous.", path_,
                      kMaxExpansion));
    }
    NamedArray array{tensor.dtype, tensor.shape, {}};
    const auto values =
        std::span(stored).subspan(bytes == 0 ? 0 : static_cast<std::size_t>(tensor.integer * item));
    if (contiguous(tensor)) {
      array.bytes.assign(values.begin(), values.begin() + bytes);
    } else {
      array.bytes =
          gather_strided(values, static_cast<std::size_t>(item), tensor.shape, tensor.strides);
    }
    const bool complex = tensor.dtype == "C64";
    if (big_endian_) swap_bytes(array.bytes, static_cast<std::size_t>(complex ? item / 2 : item));
    return array;
  }

  std::string path_;
  ZipReader zip_;
  std::string root_;
  bool big_endian_ = false;
  PickleArena arena_;
  PickleValue* top_ = nullptr;
  std::map<std::string, std::vector<std::byte>> storages_;
  std::int64_t total_ = 0;
};

}  // namespace

NamedArrays read_pytorch(const std::string& path) {
  const auto head = InputFile(path).read_up_to(0, 4);
  if (head.size() < 4 || load_le<std::uint32_t>(head, 0) != 0x04034b50) {
    const bool is_pickle = head.size() >= 2 && head[0] == std::byte{0x80};
    throw Error(fmt::format(
        "{} {}; load it in Python where you trust it and save it again with torch.save(state_dict, "
        "path) of PyTorch 1.6 or newer.",
        path,
        is_pickle ? "is a bare pickle, PyTorch's format of before version 1.6"
                  : "is not a PyTorch file: it is no zip archive"));
  }
  return Checkpoint(path).arrays();
}

}  // namespace salus::io
