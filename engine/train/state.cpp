#include "engine/train/state.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "engine/io/files.h"

namespace salus::train {

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

std::map<std::string, at::Tensor> snapshot(const std::map<std::string, at::Tensor>& live) {
  std::map<std::string, at::Tensor> copy;
  for (const auto& [name, tensor] : live) {
    copy[name] = tensor.detach().cpu().clone(at::MemoryFormat::Contiguous);
  }
  return copy;
}

std::string weights_hash(const std::map<std::string, at::Tensor>& state) {
  std::string digests;
  for (const auto& [name, tensor] : state) {
    digests += name + ":" + io::sha256(infer::to_array(tensor, name).bytes) + "\n";
  }
  return io::sha256(std::as_bytes(std::span(digests)));
}

}  // namespace salus::train
