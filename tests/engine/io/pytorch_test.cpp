#include <filesystem>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/pytorch_pickle.h"
#include "engine/io/safetensors.h"
#include "engine/io/zip.h"
#include "tests/support/files.h"
#include "tests/support/fuzz.h"

namespace salus::io {
namespace {

using test::data_path;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string golden(const std::string& name) { return data_path("weights/" + name); }

void expect_same(const NamedArrays& found, const NamedArrays& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, array] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).dtype, array.dtype) << name;
    EXPECT_EQ(found.at(name).shape, array.shape) << name;
    EXPECT_EQ(found.at(name).bytes, array.bytes) << name;
  }
}

class PytorchGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PytorchGoldenTest, EqualsWhatTorchHolds) {
  const std::string name = GetParam();
  expect_same(read_pytorch(golden(name + ".pt")), read_safetensors(golden(name + ".safetensors")));
}

INSTANTIATE_TEST_SUITE_P(Files, PytorchGoldenTest,
                         ::testing::Values("dtypes", "views", "checkpoint", "nested_model",
                                           "protocol4", "little"));

TEST(PytorchTest, ConvertsBigEndianStorages) {
  expect_same(read_pytorch(golden("big_endian.pt")),
              read_safetensors(golden("little.safetensors")));
}

TEST(PytorchTest, IsKnownByContent) {
  EXPECT_EQ(read_weights(golden("little.pt")).size(), 2u);
  EXPECT_EQ(read_weights(golden("little.safetensors")).size(), 2u);
  SALUS_EXPECT_ERROR(read_weights(golden("legacy.pt")), HasSubstr("before version 1.6"));
  SALUS_EXPECT_ERROR(read_weights(data_path("images/gray8.png")), HasSubstr("safetensors"));
}

TEST(PytorchTest, RefusesCodeByItsNameAndRunsNothing) {
  SALUS_EXPECT_ERROR(
      read_pytorch(golden("evil.pt")),
      AllOf(HasSubstr("evil.pt"), HasSubstr("posix.system"), HasSubstr("never run")));
  EXPECT_FALSE(std::filesystem::exists("salus-was-here"));
}

TEST(PytorchTest, RefusesAWholeModule) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("module.pt")),
                     AllOf(HasSubstr("torch.nn.modules"), HasSubstr("state_dict()")));
}

TEST(PytorchTest, RefusesTheOldFormatWithAdvice) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("legacy.pt")),
                     AllOf(HasSubstr("before version 1.6"), HasSubstr("save it again")));
}

TEST(PytorchTest, RefusesTorchScript) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("torchscript.pt")), HasSubstr("TorchScript"));
}

TEST(PytorchTest, RefusesAFileWithoutTensors) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("no_tensors.pt")), HasSubstr("holds no state dict"));
}

TEST(PytorchTest, RefusesAStorageThatIsTooShort) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("without_data.pt")), HasSubstr("outside its storage"));
}

TEST(PytorchTest, RefusesOtherFiles) {
  SALUS_EXPECT_ERROR(read_pytorch(golden("little.safetensors")), HasSubstr("not a PyTorch file"));
  SALUS_EXPECT_ERROR(read_pytorch(data_path("arrays/stored.npz")), HasSubstr("without data.pkl"));
  SALUS_EXPECT_ERROR(read_pytorch("none.pt"), HasSubstr("none.pt"));
}

void run_pickle(const std::string& opcodes) {
  PickleArena arena;
  unpickle(std::as_bytes(std::span(opcodes.data(), opcodes.size())), "pickle", arena);
}

TEST(PickleTest, AcceptsContainersAndScalars) {
  EXPECT_NO_THROW(run_pickle("\x80\x02}(X\x01" + std::string(3, '\0') + "aK\x01u."));
  EXPECT_NO_THROW(
      run_pickle("](NN\x88"
                 "e."));
}

TEST(PickleTest, RefusesEveryOtherGlobal) {
  for (const char* global :
       {"os\nsystem\n", "builtins\neval\n", "torch.storage\n_load_from_bytes\n", "torch\nload\n",
        "collections\nOrderedDict.fromkeys\n"}) {
    SALUS_EXPECT_ERROR(run_pickle(std::string("c") + global + "."), HasSubstr("never run"))
        << global;
  }
}

TEST(PickleTest, RefusesOpcodesThatMakeObjects) {
  for (const char op : {'i', 'o', '\x81', '\x82', '\x83', '\x92', '\x97', 'P', 'I', '\xff'}) {
    SALUS_EXPECT_ERROR(run_pickle(std::string("N") + op + "."), HasSubstr("opcode")) << int{op};
  }
}

TEST(PickleTest, RefusesMalformedPrograms) {
  for (const char* bad : {"",
                          ".",
                          "N",
                          "0.",
                          "t.",
                          "(0.",
                          "Na.",
                          "]s.",
                          "NNs.",
                          "}(Nu.",
                          "h\x01.",
                          "q\x01.",
                          "R.",
                          "NR.",
                          "NQ.",
                          ")Q.",
                          "b.",
                          "NNb.",
                          "X\xff\xff\xff\xff",
                          "\x8a\x09",
                          "cos",
                          "(e.",
                          "\x93.",
                          "\x80\x09."}) {
    EXPECT_THROW(run_pickle(bad), Error) << bad;
  }
}

TEST(PickleTest, DeepNestingIsNoRecursion) {
  EXPECT_NO_THROW(run_pickle("N" + std::string(500'000, '\x85') + "."));
}

TEST(PickleTest, RefusesMoreValuesThanAnyStateDictHas) {
  SALUS_EXPECT_ERROR(run_pickle(std::string(1'100'000, 'N') + "."), HasSubstr("million"));
}

// A zip archive of stored entries, made anew so that mutated pickles keep right checksums.
test::Bytes repack(const ZipReader& zip, const std::function<void(test::Bytes&)>& change_pickle);

std::uint32_t crc32_of(const test::Bytes& bytes) {
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

class ZipBuilder {
 public:
  void add(const std::string& name, const test::Bytes& data) {
    const std::uint32_t offset = static_cast<std::uint32_t>(out_.size());
    const auto fields = [&](std::string& to) {
      put(to, crc32_of(data), 4);
      put(to, data.size(), 4);
      put(to, data.size(), 4);
      put(to, name.size(), 2);
      put(to, 0, 2);
    };
    std::string local("PK\3\4\24\0\0\0\0\0\0\0\0\0", 14);
    fields(local);
    append(local + name);
    out_.insert(out_.end(), data.begin(), data.end());
    std::string central("PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0", 16);
    fields(central);
    put(central, 0, 10);
    put(central, offset, 4);
    directory_ += central + name;
    ++count_;
  }
  test::Bytes finish() {
    const std::size_t offset = out_.size();
    append(directory_);
    std::string end("PK\5\6\0\0\0\0", 8);
    put(end, count_, 2);
    put(end, count_, 2);
    put(end, directory_.size(), 4);
    put(end, offset, 4);
    put(end, 0, 2);
    append(end);
    return out_;
  }

 private:
  static void put(std::string& to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  }
  void append(const std::string& text) {
    for (const char c : text) out_.push_back(static_cast<std::byte>(c));
  }
  test::Bytes out_;
  std::string directory_;
  std::size_t count_ = 0;
};

test::Bytes repack(const ZipReader& zip, const std::function<void(test::Bytes&)>& change_pickle) {
  ZipBuilder builder;
  for (const ZipEntry& entry : zip.entries()) {
    auto bytes = zip.read(entry);
    if (entry.name.ends_with("data.pkl")) change_pickle(bytes);
    builder.add(entry.name, bytes);
  }
  return builder.finish();
}

TEST(PytorchFuzzTest, NeverCrashesHangsOrFillsMemory) {
  std::vector<std::string> seeds;
  for (const char* name : {"dtypes.pt", "views.pt", "checkpoint.pt", "protocol4.pt"}) {
    seeds.push_back(golden(name));
  }
  const auto make = [&](test::Rng& rng) {
    const std::string& seed = seeds[test::below(rng, seeds.size())];
    if (test::below(rng, 4) != 0) {
      return repack(ZipReader(seed), [&](test::Bytes& pickle) { test::mutate(pickle, rng); });
    }
    test::Bytes bytes = test::read_test_file(seed);
    test::mutate(bytes, rng);
    return bytes;
  };
  const auto report = test::run_fuzz("pytorch", test::fuzz_options(), make,
                                     [](const std::string& path) { read_pytorch(path); });
  EXPECT_TRUE(report.findings.empty()) << report.summary();
  EXPECT_GT(report.accepted, 0);
}

}  // namespace
}  // namespace salus::io
