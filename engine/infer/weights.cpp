#include "engine/infer/weights.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "engine/io/error.h"

namespace salus::infer {
namespace {

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kTypes{{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
}};

bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Collects everything that is wrong, so that one message names all of it.
class Problems {
 public:
  void add(const std::string& problem) {
    if (++count_ <= kShown) text_ += "\n  " + problem;
  }
  void raise(const std::string& origin) const {
    if (count_ == 0) return;
    const std::string more = count_ > kShown ? fmt::format("\n  and {} more", count_ - kShown) : "";
    throw Error(
        fmt::format("The weights of {} do not fit the model:{}{}\nCheck that the model's "
                    "name and options are those of the weights.",
                    origin, text_, more));
  }

 private:
  static constexpr int kShown = 20;
  int count_ = 0;
  std::string text_;
};

/// Copies one file's entries into one model, as LoadOptions say.
class Loader {
 public:
  Loader(Model& model, const LoadOptions& options)
      : options_(options), first_(model.first_layer() + ".weight"), head_(model.head() + ".") {
    for (const auto& item : model.named_parameters()) targets_[item.key()] = item.value();
    for (const auto& item : model.named_buffers()) targets_[item.key()] = item.value();
  }

  void plan(const std::string& name, const at::Tensor& value) {
    const auto target = targets_.find(name);
    if (target == targets_.end()) return problems_.add(fmt::format("{}: not in the model", name));
    if (!planned_.emplace(name, at::Tensor()).second) {
      return problems_.add(fmt::format("{}: given twice", name));
    }
    if (!types_fit(name, value, target->second)) return;
    at::Tensor fitted = value;
    if (value.sizes() != target->second.sizes()) fitted = fit(name, value, target->second);
    if (fitted.defined() && fitted.is_floating_point() && !fitted.isfinite().all().item<bool>()) {
      return problems_.add(fmt::format("{}: holds NaN or infinity", name));
    }
    planned_[name] = fitted;
  }

  std::vector<std::string> commit(const std::string& origin) {
    for (const auto& [name, target] : targets_) {
      if (planned_.contains(name) || is_counter(name)) continue;
      if (options_.new_head && name.starts_with(head_)) {
        note_new_head(name);
      } else {
        problems_.add(fmt::format("{}: missing", name));
      }
    }
    problems_.raise(origin);
    at::NoGradGuard no_grad;
    for (const auto& [name, value] : planned_) {
      if (value.defined()) targets_.at(name).copy_(value);
    }
    return notes_;
  }

 private:
  bool types_fit(const std::string& name, const at::Tensor& value, const at::Tensor& target) {
    if (value.is_floating_point() && target.is_floating_point()) return true;
    if (value.scalar_type() == target.scalar_type()) return true;
    problems_.add(fmt::format("{}: the type is {}, the model's {}", name,
                              c10::toString(value.scalar_type()),
                              c10::toString(target.scalar_type())));
    return false;
  }

  /// `value` in the target's shape, or undefined if it is left at its initial values.
  at::Tensor fit(const std::string& name, const at::Tensor& value, const at::Tensor& target) {
    if (options_.new_head && name.starts_with(head_)) {
      note_new_head(name);
      return {};
    }
    if (options_.first_layer != FirstLayer::kStrict && name == first_ &&
        same_but_channels(value, target)) {
      return fit_channels(value, target.size(1));
    }
    problems_.add(fmt::format("{}: the shape is {}, the model's {}", name,
                              shape_text(value.sizes()), shape_text(target.sizes())));
    return {};
  }

  static bool same_but_channels(const at::Tensor& a, const at::Tensor& b) {
    return a.dim() == 4 && b.dim() == 4 && a.size(0) == b.size(0) && a.size(2) == b.size(2) &&
           a.size(3) == b.size(3);
  }

  at::Tensor fit_channels(const at::Tensor& value, std::int64_t channels) {
    const bool sum = options_.first_layer == FirstLayer::kSum;
    const at::Tensor all = value.to(at::kDouble).sum(1, /*keepdim=*/true);
    const double share = 1.0 / static_cast<double>(sum ? channels : value.size(1));
    notes_.push_back(fmt::format("{} was adapted from {} to {} input channels by the {}.", first_,
                                 value.size(1), channels, sum ? "sum" : "mean"));
    return (all * share).expand({-1, channels, -1, -1});
  }

  void note_new_head(const std::string& name) {
    notes_.push_back(fmt::format("{} keeps its initial values.", name));
  }

  LoadOptions options_;
  std::string first_, head_;
  std::map<std::string, at::Tensor> targets_;
  std::map<std::string, at::Tensor> planned_;  // undefined = keeps its initial values
  std::vector<std::string> notes_;
  Problems problems_;
};

}  // namespace

at::Tensor to_tensor(const io::NamedArray& array, const std::string& name) {
  for (const auto& [dtype, type] : kTypes) {
    if (array.dtype != dtype) continue;
    at::Tensor tensor = at::empty(array.shape, at::TensorOptions().dtype(type));
    TORCH_CHECK(tensor.nbytes() == array.bytes.size(), "an array whose bytes do not fit its shape");
    if (!array.bytes.empty()) {
      std::memcpy(tensor.mutable_data_ptr(), array.bytes.data(), array.bytes.size());
    }
    return tensor;
  }
  throw Error(fmt::format("The weights entry {} has the type {}, which is not supported.", name,
                          array.dtype));
}

io::NamedArray to_array(const at::Tensor& tensor, const std::string& name) {
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  for (const auto& [dtype, type] : kTypes) {
    if (plain.scalar_type() != type) continue;
    const auto* begin = static_cast<const std::byte*>(plain.const_data_ptr());
    return {dtype, plain.sizes().vec(), {begin, begin + plain.nbytes()}};
  }
  throw Error(fmt::format("The weights entry {} has the type {}, which cannot be stored.", name,
                          c10::toString(plain.scalar_type())));
}

Weights state_dict(const Model& model) {
  Weights weights;
  const auto add = [&](const auto& items) {
    for (const auto& item : items) {
      weights[item.key()] = item.value().detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous);
    }
  };
  add(model.named_parameters());
  add(model.named_buffers());
  return weights;
}

Weights rounded(const Weights& weights, const std::string& dtype) {
  if (dtype != "bfloat16") return weights;
  Weights result;
  for (const auto& [name, value] : weights) {
    const bool wide = value.is_floating_point() && value.dim() >= 2;
    result[name] = wide ? value.to(at::kBFloat16).to(at::kFloat) : value;
  }
  return result;
}

std::vector<std::string> load_weights(Model& model, const Weights& weights,
                                      const LoadOptions& options, const std::string& origin) {
  static const std::string kParallel = "module.";
  Loader loader(model, options);
  for (const auto& [name, value] : weights) {
    const bool parallel = name.starts_with(kParallel);
    loader.plan(model.canonical_name(parallel ? name.substr(kParallel.size()) : name), value);
  }
  return loader.commit(origin);
}

std::vector<std::string> load_weights(Model& model, const std::string& path,
                                      const LoadOptions& options) {
  Weights weights;
  for (const auto& [name, array] : io::read_weights(path)) weights[name] = to_tensor(array, name);
  return load_weights(model, weights, options, path);
}

}  // namespace salus::infer
