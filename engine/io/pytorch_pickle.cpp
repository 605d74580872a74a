#include "engine/io/pytorch_pickle.h"

#include <fmt/core.h>

#include <bit>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "engine/io/error.h"
#include "engine/io/numbers.h"
#include "engine/io/pytorch_rebuild.h"

namespace salus::io {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMaxValues = 1'000'000;  // far above any state dict; bounds memory

// Opcodes by their names in CPython's Lib/pickle.py.
enum Op : unsigned char {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kMark = '(',
  kPop = '0',
  kPopMark = '1',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinString = 'T',
  kShortBinString = 'U',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kBinPersId = 'Q',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j'
};

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& origin, PickleArena& arena)
      : rest_(bytes), origin_(origin), arena_(arena) {}

  PickleValue* run() {
    while (true) {
      const auto op = take<std::uint8_t>();
      if (op == kStop) return pop();
      if (!scalar(op) && !container(op) && !memo(op) && !object(op)) {
        damaged(fmt::format("uses pickle opcode {:#x}, which is not needed for a state dict", op));
      }
    }
  }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(
        fmt::format("{} {}; save the state dict again with torch.save(model.state_dict(), "
                    "path).",
                    origin_, what));
  }

  std::span<const std::byte> take_bytes(std::size_t count) {
    if (rest_.size() < count) damaged("has a pickle that ends too early");
    const auto out = rest_.first(count);
    rest_ = rest_.subspan(count);
    return out;
  }
  template <typename T>
  T take() {
    return load_le<T>(take_bytes(sizeof(T)), 0);
  }
  std::string take_text(std::size_t count) {
    const auto bytes = take_bytes(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string take_line() {
    const std::string_view text(reinterpret_cast<const char*>(rest_.data()), rest_.size());
    const auto end = text.find('\n');
    if (end == std::string_view::npos) damaged("has a pickle that ends too early");
    std::string line(text.substr(0, end));
    rest_ = rest_.subspan(end + 1);
    return line;
  }

  PickleValue* add(PickleValue value) {
    if (arena_.size() >= kMaxValues) damaged("holds more than a million values");
    arena_.push_back(std::move(value));
    return &arena_.back();
  }
  PickleValue* push(Kind kind, std::int64_t integer = 0, std::string text = {}) {
    PickleValue value;
    value.kind = kind;
    value.integer = integer;
    value.text = std::move(text);
    stack_.push_back(add(std::move(value)));
    return stack_.back();
  }
  // The stack never shrinks below the innermost mark except by the opcodes that end it.
  PickleValue* pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("has a malformed pickle");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue* top(Kind kind) {
    PickleValue* value = pop();
    if (value->kind != kind) damaged("has a malformed pickle");
    stack_.push_back(value);
    return value;
  }
  std::vector<PickleValue*> pop_to_mark() {
    if (marks_.empty()) damaged("has a malformed pickle");
    std::vector<PickleValue*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                                    stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  bool scalar(unsigned op) {
    switch (op) {
      case kNone:
        return push(Kind::kNone);
      case kNewTrue:
        return push(Kind::kBool, 1);
      case kNewFalse:
        return push(Kind::kBool, 0);
      case kBinInt:
        return push(Kind::kInt, static_cast<std::int32_t>(take<std::uint32_t>()));
      case kBinInt1:
        return push(Kind::kInt, take<std::uint8_t>());
      case kBinInt2:
        return push(Kind::kInt, take<std::uint16_t>());
      case kLong1:
        return push(Kind::kInt, take_long());
      case kBinFloat:
        take_bytes(8);  // numbers beside the tensors (a learning rate) have no use here
        return push(Kind::kFloat);
      case kBinUnicode:
      case kBinString:
      case kBinBytes:
        return push(Kind::kText, 0, take_text(take<std::uint32_t>()));
      case kShortBinUnicode:
      case kShortBinString:
      case kShortBinBytes:
        return push(Kind::kText, 0, take_text(take<std::uint8_t>()));
      default:
        return false;
    }
  }

  std::int64_t take_long() {
    const auto bytes = take_bytes(take<std::uint8_t>());
    if (bytes.size() > 8) damaged("holds an integer of more than 64 bits");
    const bool negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    }
    return static_cast<std::int64_t>(value);
  }

  bool container(unsigned op) {
    switch (op) {
      case kMark:
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        return pop();
      case kPopMark:
        pop_to_mark();
        return true;
      case kEmptyTuple:
        return push(Kind::kTuple);
      case kEmptyList:
        return push(Kind::kList);
      case kEmptyDict:
        return push(Kind::kDict);
      case kTuple: {
        auto items = pop_to_mark();
        push(Kind::kTuple)->items = std::move(items);
        return true;
      }
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return push_tuple(op - kTuple1 + 1);
      case kAppend:
      case kSetItem:
        return extend(op == kAppend ? Kind::kList : Kind::kDict, pop_items(op == kAppend ? 1 : 2));
      case kAppends:
      case kSetItems:
        return extend(op == kAppends ? Kind::kList : Kind::kDict, pop_to_mark());
      default:
        return false;
    }
  }

  std::vector<PickleValue*> pop_items(std::size_t count) {
    std::vector<PickleValue*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  bool push_tuple(std::size_t count) {
    auto items = pop_items(count);
    push(Kind::kTuple)->items = std::move(items);
    return true;
  }
  bool extend(Kind kind, const std::vector<PickleValue*>& items) {
    if (kind == Kind::kDict && items.size() % 2 != 0) damaged("has a malformed pickle");
    auto& target = top(kind)->items;
    target.insert(target.end(), items.begin(), items.end());
    return true;
  }

  bool memo(unsigned op) {
    switch (op) {
      case kBinPut:
        return put(take<std::uint8_t>());
      case kLongBinPut:
        return put(take<std::uint32_t>());
      case kMemoize:
        return put(static_cast<std::uint32_t>(memo_.size()));
      case kBinGet:
        return get(take<std::uint8_t>());
      case kLongBinGet:
        return get(take<std::uint32_t>());
      default:
        return false;
    }
  }
  bool put(std::uint32_t key) {
    PickleValue* value = pop();
    stack_.push_back(value);
    memo_[key] = value;
    return true;
  }
  bool get(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) damaged("has a malformed pickle");
    stack_.push_back(found->second);
    return true;
  }

  bool object(unsigned op) {
    switch (op) {
      case kProto:
        if (take<std::uint8_t>() > 5) damaged("uses a pickle protocol above 5");
        return true;
      case kFrame:
        take_bytes(8);  // a hint for reading ahead
        return true;
      case kGlobal: {
        const std::string module = take_line();
        return push_global(module, take_line());
      }
      case kStackGlobal: {
        const std::string name = top(Kind::kText)->text;
        pop();
        const std::string module = top(Kind::kText)->text;
        pop();
        return push_global(module, name);
      }
      case kReduce:
        return reduce();
      case kBuild:
        pop();  // attributes of an OrderedDict (_metadata) do not concern the weights
        return top(Kind::kDict);
      case kBinPersId: {
        const PickleValue storage = rebuild_storage(*pop(), origin_);
        stack_.push_back(add(storage));
        return true;
      }
      default:
        return false;
    }
  }

  bool push_global(const std::string& module, const std::string& name) {
    const std::string global = module + " " + name;
    if (!is_allowed_global(global)) refuse(module, name);
    return push(Kind::kGlobal, 0, global);
  }

  [[noreturn]] void refuse(const std::string& module, const std::string& name) const {
    std::string shown = (module + "." + name).substr(0, 100);
    for (char& c : shown) {
      if (c < ' ' || c > '~') c = '?';
    }
    throw Error(
        fmt::format("{} names the Python object {}, which is not part of a plain state dict and "
                    "is never run; load the file in Python where you trust it and save only "
                    "the weights: torch.save(model.state_dict(), path).",
                    origin_, shown));
  }

  bool reduce() {
    PickleValue* arguments = top(Kind::kTuple);
    pop();
    PickleValue* global = top(Kind::kGlobal);
    pop();
    stack_.push_back(add(rebuild(global->text, *arguments, origin_)));
    return true;
  }

  std::span<const std::byte> rest_;
  const std::string& origin_;
  PickleArena& arena_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleValue*> memo_;
};

}  // namespace

PickleValue* unpickle(std::span<const std::byte> bytes, const std::string& origin,
                      PickleArena& arena) {
  return Unpickler(bytes, origin, arena).run();
}

}  // namespace salus::io
