#include "engine/io/numbers.h"
#include "engine/io/posix.h"
#include "engine/io/safetensors.h"

namespace salus::io {

NamedArrays read_weights(const std::string& path) {
  const auto head = InputFile(path).read_up_to(0, 9);
  const bool is_zip = head.size() >= 4 && load_le<std::uint32_t>(head, 0) == 0x04034b50;
  const bool is_pickle = head.size() >= 2 && head[0] == std::byte{0x80} && head[1] < std::byte{6} &&
                         (head.size() < 9 || head[8] != std::byte{'{'});
  return is_zip || is_pickle ? read_pytorch(path) : read_safetensors(path);
}

}  // namespace salus::io
