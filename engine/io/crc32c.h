#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace salus::io {

/// CRC-32C (Castagnoli, RFC 3720 B.4). \param seed  the CRC of what came before, to go on with it.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

/// The same without the processor's instruction for it, as on machines that have none.
std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed = 0);

}  // namespace salus::io
