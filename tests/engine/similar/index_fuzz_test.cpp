#include <ATen/Parallel.h>

#include <cstring>

#include "engine/io/crc32c.h"
#include "engine/similar/query.h"
#include "engine/similar/segment_layout.h"
#include "tests/engine/similar/similar_support.h"
#include "tests/support/fuzz.h"

namespace salus::similar {
namespace {

using test::Bytes;
using test::TemporaryFolder;

/// Damaged files of an index are read in full. Their checksums are made to fit again, or nothing
/// behind the checksums would ever be tried.
class IndexFuzzTest : public ::testing::Test {
 protected:
  IndexFuzzTest() {
    at::set_num_threads(1);  // a forked process has no threads of the pool
    const auto site = attribute("site", AttributeKind::kText, {"A", "B", "", "A", "C"});
    const auto age = attribute("age", AttributeKind::kNumber, {"1", "2", "", "4", "5"});
    IndexWriter::create(folder_.path("index"), {kernels::Metric::kL2, at::kChar, true, false},
                        source_of(random_rows(5, 3, 1), names(5), {site, age}), false);
    IndexWriter(folder_.path("index")).remove(std::vector<std::string>{"p3"});
  }

  /// Puts the file at `path` in the place of `name` of the index, and uses all of it.
  void use(const std::string& path, const std::string& name) const {
    overwrite(folder_.path("index/" + name), io::read_text(path));
    const Index index = Index::open(folder_.path("index"));
    for (std::int64_t row = 0; row < index.rows(); ++row) index.find(index.id(row));
    QueryOptions options;
    options.verify = false;
    options.show = {"site", "age"};
    options.conditions = {"age>=1", "site!=C"};
    run_queries(index, ProcessGroup(), "cpu", source_of(random_rows(2, 3, 2)), options,
                [](const Answer&) {});
  }

  void fuzz(const std::string& name, const std::function<void(Bytes&, test::Rng&)>& mutate) const {
    const Bytes whole = test::read_test_file(folder_.path("index/" + name));
    const auto report = test::run_fuzz(
        name, test::fuzz_options(),
        [&](test::Rng& rng) {
          Bytes bytes = whole;
          mutate(bytes, rng);
          return bytes;
        },
        [&](const std::string& path) { use(path, name); });
    EXPECT_TRUE(report.findings.empty()) << report.summary();
    EXPECT_GT(report.refused, 0);
    EXPECT_GT(report.accepted, 0) << "nothing behind the first checks was tried";
  }

  TemporaryFolder folder_;
};

void seal_header(Bytes& bytes) {
  if (bytes.size() < sizeof(SegmentHeader)) return;
  SegmentHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.file_bytes = bytes.size();
  header.checksum = header_checksum(header);
  std::memcpy(bytes.data(), &header, sizeof header);
}

TEST_F(IndexFuzzTest, DamagedSegmentsAreRefusedOrRead) {
  fuzz("segment-1.rows", [](Bytes& bytes, test::Rng& rng) {
    test::mutate(bytes, rng);
    seal_header(bytes);
  });
}

// The same, but only ids and attributes and the table of sections, where offsets are.
TEST_F(IndexFuzzTest, DamagedOffsetsAreRefusedOrRead) {
  fuzz("segment-1.rows", [](Bytes& bytes, test::Rng& rng) {
    SegmentHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const std::size_t section = kIds + test::below(rng, kFirstAttribute + 4 - kIds);
    const Extent& extent = header.sections[section];
    const bool in_table = extent.bytes < 8 || test::below(rng, 4) == 0;
    const std::size_t at =
        in_table ? offsetof(SegmentHeader, sections) + 8 * test::below(rng, 2 * kFirstAttribute + 8)
                 : extent.offset + test::below(rng, extent.bytes - 7);
    const std::uint64_t value = test::below(rng, 2) == 0 ? rng() : test::below(rng, 5000);
    std::memcpy(bytes.data() + at, &value, sizeof value);
    seal_header(bytes);
  });
}

TEST_F(IndexFuzzTest, DamagedBitsAreRefused) {
  fuzz("alive-2-0.bits", [](Bytes& bytes, test::Rng& rng) {
    test::mutate(bytes, rng);
    if (bytes.size() < sizeof(AliveHeader)) return;
    AliveHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    header.checksum = alive_checksum(header, std::span(bytes).subspan(sizeof header));
    std::memcpy(bytes.data(), &header, sizeof header);
  });
}

TEST_F(IndexFuzzTest, DamagedManifestsAreRefused) { fuzz("index.json", test::mutate); }

}  // namespace
}  // namespace salus::similar
