#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>

#include "tests/support/fuzz.h"

namespace salus::test {
namespace {

constexpr std::array<std::uint64_t, 14> kEdges = {
    0,      1,      2,          0x7f,       0x80,       0xff,       0x7fff,
    0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 62, ~0ULL};

void flip_bit(Bytes& bytes, Rng& rng) {
  bytes[below(rng, bytes.size())] ^= static_cast<std::byte>(1u << below(rng, 8));
}

void set_byte(Bytes& bytes, Rng& rng) {
  bytes[below(rng, bytes.size())] = static_cast<std::byte>(below(rng, 256));
}

// Headers stand at the front: half of the edits fall into the first 512 bytes.
std::size_t position(const Bytes& bytes, Rng& rng) {
  const std::size_t near = std::min<std::size_t>(bytes.size(), 512);
  return below(rng, below(rng, 2) == 0 ? near : bytes.size());
}

void set_integer(Bytes& bytes, Rng& rng) {
  const std::size_t width = std::size_t{1} << below(rng, 4);
  const std::uint64_t value =
      below(rng, 3) == 0 ? rng() : kEdges[below(rng, kEdges.size())] - below(rng, 2);
  const std::size_t at = position(bytes, rng);
  const bool big = below(rng, 2) == 0;
  for (std::size_t i = 0; i < width && at + i < bytes.size(); ++i) {
    bytes[at + i] = static_cast<std::byte>(value >> (8 * (big ? width - 1 - i : i)));
  }
}

void change_digit(Bytes& bytes, Rng& rng) {
  const std::size_t start = position(bytes, rng);
  for (std::size_t at = start; at < std::min(bytes.size(), start + 256); ++at) {
    const char c = static_cast<char>(bytes[at]);
    if (c < '0' || c > '9') continue;
    bytes[at] = static_cast<std::byte>('0' + below(rng, 10));
    return;
  }
}

struct Piece {
  std::size_t begin, end;
};

Piece piece(const Bytes& bytes, Rng& rng) {
  const std::size_t begin = position(bytes, rng);
  const std::size_t longest = std::min<std::size_t>(bytes.size() - begin, 1 + below(rng, 64) * 8);
  return {begin, begin + below(rng, longest + 1)};
}

void cut(Bytes& bytes, Rng& rng) {
  const Piece p = piece(bytes, rng);
  bytes.erase(bytes.begin() + p.begin, bytes.begin() + p.end);
}

void repeat(Bytes& bytes, Rng& rng) {
  const Piece p = piece(bytes, rng);
  const Bytes copy(bytes.begin() + p.begin, bytes.begin() + p.end);
  bytes.insert(bytes.begin() + below(rng, bytes.size() + 1), copy.begin(), copy.end());
}

void overwrite(Bytes& bytes, Rng& rng) {
  const Piece p = piece(bytes, rng);
  const std::size_t to = position(bytes, rng);
  for (std::size_t i = 0; i < p.end - p.begin && to + i < bytes.size(); ++i) {
    bytes[to + i] = bytes[p.begin + i];
  }
}

void fill(Bytes& bytes, Rng& rng) {
  const Piece p = piece(bytes, rng);
  const auto value = static_cast<std::byte>(below(rng, 2) == 0 ? 0 : 0xff);
  std::fill(bytes.begin() + p.begin, bytes.begin() + p.end, value);
}

void truncate(Bytes& bytes, Rng& rng) { bytes.resize(below(rng, bytes.size())); }

}  // namespace

std::uint64_t below(Rng& rng, std::uint64_t n) { return n == 0 ? 0 : rng() % n; }

void mutate(Bytes& bytes, Rng& rng) {
  using Edit = void (*)(Bytes&, Rng&);
  constexpr std::array<Edit, 11> kEdits = {flip_bit,     set_byte, set_integer, set_integer,
                                           set_integer,  cut,      repeat,      overwrite,
                                           change_digit, fill,     truncate};
  const std::uint64_t edits = 1 + below(rng, 4);
  for (std::uint64_t i = 0; i < edits && !bytes.empty(); ++i) {
    kEdits[below(rng, kEdits.size())](bytes, rng);
  }
}

Bytes read_test_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error("test file " + path + " is missing");
  Bytes bytes(static_cast<std::size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

}  // namespace salus::test
