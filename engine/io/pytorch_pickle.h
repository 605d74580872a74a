#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace salus::io {

/// One value of a PyTorch pickle. Values refer to each other by pointers into a PickleArena, so
/// that no nesting, however deep, recurses when they are freed.
struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;         ///< kBool, kInt; kStorage: number of values; kTensor: offset
  std::string text;                 ///< kText; kGlobal: "module name"; kStorage: key
  std::string dtype;                ///< kStorage, kTensor: safetensors name, "" if untyped
  std::vector<PickleValue*> items;  ///< kTuple, kList; kDict: key, value, key, value, ...
  PickleValue* storage = nullptr;   ///< kTensor
  std::vector<std::int64_t> shape, strides;  ///< kTensor, in values
};

using PickleArena = std::deque<PickleValue>;

/// Runs the opcodes of a PyTorch `data.pkl` (protocols 2 to 5) that build tensors, OrderedDict,
/// plain containers and scalars. A pickle is a program: every other global and opcode is refused,
/// and nothing is ever imported or called.
/// \param origin  names the file in errors.
/// \returns the object at the top; it lives in `arena`.
/// \throws salus::Error naming `origin` and the refused global.
PickleValue* unpickle(std::span<const std::byte> bytes, const std::string& origin,
                      PickleArena& arena);

}  // namespace salus::io
