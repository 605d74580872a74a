#include "engine/io/pytorch_rebuild.h"

#include <fmt/core.h>

#include <map>

#include "engine/io/error.h"

namespace salus::io {
namespace {

using Kind = PickleValue::Kind;

constexpr const char* kOrderedDict = "collections OrderedDict";
constexpr const char* kSize = "torch Size";
constexpr const char* kTensor = "torch._utils _rebuild_tensor_v2";
constexpr const char* kTensorWithType = "torch._utils _rebuild_tensor_v3";
constexpr const char* kParameter = "torch._utils _rebuild_parameter";
constexpr const char* kUntyped = "torch.storage UntypedStorage";
constexpr std::size_t kMaxDimensions = 64;

const std::map<std::string, std::string>& storage_types() {
  static const std::map<std::string, std::string> kTypes = {
      {"torch FloatStorage", "F32"},        {"torch DoubleStorage", "F64"},
      {"torch HalfStorage", "F16"},         {"torch BFloat16Storage", "BF16"},
      {"torch LongStorage", "I64"},         {"torch IntStorage", "I32"},
      {"torch ShortStorage", "I16"},        {"torch CharStorage", "I8"},
      {"torch ByteStorage", "U8"},          {"torch BoolStorage", "BOOL"},
      {"torch ComplexFloatStorage", "C64"}, {kUntyped, ""}};
  return kTypes;
}

// Types younger than the typed storages: named by a dtype beside an untyped storage.
const std::map<std::string, std::string>& tensor_types() {
  static const std::map<std::string, std::string> kTypes = {{"torch uint16", "U16"},
                                                            {"torch uint32", "U32"},
                                                            {"torch uint64", "U64"},
                                                            {"torch float8_e5m2", "F8_E5M2"},
                                                            {"torch float8_e4m3fn", "F8_E4M3"}};
  return kTypes;
}

[[noreturn]] void fail(const std::string& origin, const std::string& what) {
  throw Error(fmt::format(
      "{} has {} that PyTorch does not write; the file is damaged, save it again.", origin, what));
}

std::vector<std::int64_t> integers(const PickleValue& value, const std::string& origin) {
  std::vector<std::int64_t> out;
  if (value.kind != Kind::kTuple || value.items.size() > kMaxDimensions)
    fail(origin, "a tensor shape");
  for (const PickleValue* item : value.items) {
    if (item->kind != Kind::kInt || item->integer < 0) fail(origin, "a tensor shape");
    out.push_back(item->integer);
  }
  return out;
}

// (storage, offset, size, stride, requires_grad, hooks[, dtype][, metadata])
PickleValue rebuild_tensor(const PickleValue& arguments, bool with_type,
                           const std::string& origin) {
  const auto& items = arguments.items;
  const std::size_t fixed = with_type ? 7 : 6;
  if (items.size() < fixed || items.size() > fixed + 1 || items[0]->kind != Kind::kStorage ||
      items[1]->kind != Kind::kInt || items[1]->integer < 0) {
    fail(origin, "a tensor");
  }
  PickleValue tensor;
  tensor.kind = Kind::kTensor;
  tensor.storage = items[0];
  tensor.dtype = items[0]->dtype;
  tensor.integer = items[1]->integer;
  tensor.shape = integers(*items[2], origin);
  tensor.strides = integers(*items[3], origin);
  if (with_type) {
    const auto found = tensor_types().find(items[6]->text);
    if (items[6]->kind != Kind::kGlobal || found == tensor_types().end()) fail(origin, "a dtype");
    tensor.dtype = found->second;
  }
  const bool has_metadata =
      items.size() > fixed && items[fixed]->kind != Kind::kNone && !items[fixed]->items.empty();
  if (tensor.shape.size() != tensor.strides.size() || tensor.dtype.empty())
    fail(origin, "a tensor");
  if (has_metadata) {
    throw Error(
        fmt::format("{} holds a conjugated or negated view; save it after resolve_conj() and "
                    "resolve_neg().",
                    origin));
  }
  return tensor;
}

// Filled by SETITEMS afterwards.
PickleValue rebuild_dict(const PickleValue& arguments, const std::string& origin) {
  if (!arguments.items.empty()) fail(origin, "an OrderedDict");
  PickleValue dict;
  dict.kind = Kind::kDict;
  return dict;
}

}  // namespace

bool is_allowed_global(const std::string& name) {
  return name == kOrderedDict || name == kSize || name == kTensor || name == kTensorWithType ||
         name == kParameter || storage_types().contains(name) || tensor_types().contains(name);
}

PickleValue rebuild(const std::string& global, const PickleValue& arguments,
                    const std::string& origin) {
  const auto& items = arguments.items;
  if (global == kOrderedDict) return rebuild_dict(arguments, origin);
  if (global == kTensor) return rebuild_tensor(arguments, false, origin);
  if (global == kTensorWithType) return rebuild_tensor(arguments, true, origin);
  if (global == kParameter && !items.empty() && items[0]->kind == Kind::kTensor) return *items[0];
  if (global == kSize && items.size() == 1 && items[0]->kind == Kind::kTuple &&
      items[0]->items.size() <= kMaxDimensions) {
    return *items[0];
  }
  fail(origin, "a call of " + global);
}

PickleValue rebuild_storage(const PickleValue& id, const std::string& origin) {
  const auto& items = id.items;
  const bool good = id.kind == Kind::kTuple && items.size() == 5 && items[0]->kind == Kind::kText &&
                    items[0]->text == "storage" && items[1]->kind == Kind::kGlobal &&
                    storage_types().contains(items[1]->text) && items[2]->kind == Kind::kText &&
                    items[4]->kind == Kind::kInt && items[4]->integer >= 0;
  if (!good) fail(origin, "a storage");
  PickleValue storage;
  storage.kind = Kind::kStorage;
  storage.dtype = storage_types().at(items[1]->text);
  storage.text = items[2]->text;
  storage.integer = items[4]->integer;
  return storage;
}

}  // namespace salus::io
