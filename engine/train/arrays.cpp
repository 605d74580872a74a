#include "engine/train/arrays.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstring>

#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::train {
namespace {

constexpr std::array<std::pair<at::ScalarType, const char*>, 9> kDtypes{{
    {at::kFloat, "F32"},
    {at::kDouble, "F64"},
    {at::kHalf, "F16"},
    {at::kBFloat16, "BF16"},
    {at::kLong, "I64"},
    {at::kInt, "I32"},
    {at::kByte, "U8"},
    {at::kChar, "I8"},
    {at::kBool, "BOOL"},
}};

at::ScalarType dtype_of(const std::string& name, const std::string& entry) {
  for (const auto& [type, known] : kDtypes) {
    if (name == known) return type;
  }
  throw Error(
      fmt::format("The entry \"{}\" has the type {}, which is not read here.", entry, name));
}

/// A convolution's weight with another number of input channels, or undefined if that is not it.
at::Tensor adapt_channels(const at::Tensor& value, const at::Tensor& wanted) {
  if (value.dim() != 4 || wanted.dim() != 4 || value.size(0) != wanted.size(0) ||
      value.sizes().slice(2) != wanted.sizes().slice(2)) {
    return {};
  }
  if (wanted.size(1) == 1) return value.sum(1, /*keepdim=*/true);
  if (value.size(1) == 1) {
    return value.expand_as(wanted) / static_cast<double>(wanted.size(1));
  }
  return {};
}

/// The module of the last parameter: the head, whose outputs follow the task.
std::string head_of(const Model& model) {
  std::string last;
  for (const auto& item : model.named_parameters()) last = item.key();
  return last.substr(0, last.rfind('.') + 1);
}

}  // namespace

io::NamedArray to_array(const at::Tensor& tensor) {
  const auto plain = tensor.detach().cpu().contiguous();
  io::NamedArray array;
  for (const auto& [type, name] : kDtypes) {
    if (type == plain.scalar_type()) array.dtype = name;
  }
  TORCH_CHECK(!array.dtype.empty(), "no file type for ", plain.scalar_type());
  array.shape = plain.sizes().vec();
  array.bytes.resize(plain.nbytes());
  if (plain.nbytes() > 0) std::memcpy(array.bytes.data(), plain.const_data_ptr(), plain.nbytes());
  return array;
}

at::Tensor to_tensor(const io::NamedArray& array, const std::string& name) {
  auto tensor = at::empty(array.shape, dtype_of(array.dtype, name));
  TORCH_CHECK(tensor.nbytes() == array.bytes.size(), name, " has the wrong number of bytes");
  if (!array.bytes.empty()) {
    std::memcpy(tensor.mutable_data_ptr(), array.bytes.data(), array.bytes.size());
  }
  return tensor;
}

void copy_into(const std::map<std::string, at::Tensor>& to,
               const std::map<std::string, at::Tensor>& from, const std::string& what) {
  at::NoGradGuard guard;
  for (const auto& [name, target] : to) {
    const auto found = from.find(name);
    if (found == from.end() || found->second.sizes() != target.sizes()) {
      throw Error(fmt::format("The checkpoint has no {} that fits \"{}\": it is of another model.",
                              what, name));
    }
    at::Tensor(target).copy_(found->second);
  }
}

std::map<std::string, at::Tensor> named_state(const Model& model) {
  std::map<std::string, at::Tensor> state;
  for (const auto& item : model.named_parameters()) state[item.key()] = item.value().detach();
  for (const auto& item : model.named_buffers()) state[item.key()] = item.value();
  return state;
}

std::string weights_hash(const std::map<std::string, at::Tensor>& state) {
  std::string digests;
  for (const auto& [name, tensor] : state) {
    digests += name + ":" + io::sha256(to_array(tensor).bytes) + "\n";
  }
  return io::sha256(std::as_bytes(std::span(digests)));
}

std::vector<std::string> load_initial_weights(Model& model, const std::string& path) {
  const auto arrays = io::read_weights(path);
  const std::string head = head_of(model);
  std::vector<std::string> left_out;
  at::NoGradGuard guard;
  for (auto& [name, target] : named_state(model)) {
    const auto found = arrays.find(name);
    if (found == arrays.end()) {
      if (name.ends_with("num_batches_tracked")) continue;
      throw Error(fmt::format("{} has no \"{}\": it is of another architecture than [model] names.",
                              path, name));
    }
    at::Tensor value = to_tensor(found->second, name);
    if (value.sizes() != target.sizes()) {
      const at::Tensor adapted = adapt_channels(value, target);
      if (!adapted.defined() && name.starts_with(head)) {
        left_out.push_back(name);
        continue;
      }
      if (!adapted.defined()) {
        throw Error(fmt::format("{}: \"{}\" is [{}], but the model has [{}].", path, name,
                                fmt::join(value.sizes(), ", "), fmt::join(target.sizes(), ", ")));
      }
      value = adapted;
    }
    at::Tensor(target).copy_(value);
  }
  return left_out;
}

}  // namespace salus::train
