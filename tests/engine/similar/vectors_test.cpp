#include "engine/similar/vectors.h"

#include <cmath>

#include "engine/io/npy.h"
#include "tests/engine/similar/similar_support.h"

namespace salus::similar {
namespace {

using test::data_path;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VectorsTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    io::write_text(folder_.path(name), text);
    return folder_.path(name);
  }
  /// [2, 3] of float32.
  std::string array(const std::string& ids = "") {
    const float values[] = {1, 2, 3, -4, 5.5, 6};
    io::write_npy(folder_.path("a.npy"), "<f4", {2, 3}, std::as_bytes(std::span(values)));
    if (!ids.empty()) file("a.npy.ids.txt", ids);
    return folder_.path("a.npy");
  }
  static std::vector<float> values(const VectorSource& source) {
    const at::Tensor all = source.read(0, source.rows).contiguous();
    EXPECT_EQ(all.scalar_type(), at::kFloat);
    const auto* data = all.const_data_ptr<float>();
    return {data, data + all.numel()};
  }

  TemporaryFolder folder_;
};

TEST_F(VectorsTest, ATableGivesIdsValuesAndAttributes) {
  VectorOptions options;
  options.id = "pid";
  options.attributes = {{"site", {}}, {"age", {}}};
  const auto source = read_vectors(
      file("t.csv", "pid,site,x,age,y\nu,A,1,60,2\nv,,-1e3,,0.5\nw,B, 7 ,61.5,\n"), options);
  EXPECT_THAT(source.ids, ElementsAre("u", "v", "w"));
  EXPECT_THAT(source.columns, ElementsAre("x", "y"));
  EXPECT_EQ(source.id_column, "pid");
  const auto all = values(source);
  EXPECT_THAT(std::vector<float>(all.begin(), all.begin() + 5), ElementsAre(1, 2, -1000, 0.5, 7));
  EXPECT_TRUE(std::isnan(all[5])) << "a missing cell";
  ASSERT_EQ(source.attributes.size(), 2u);
  EXPECT_EQ(source.attributes[0].kind, AttributeKind::kText);
  EXPECT_THAT(source.attributes[0].dictionary, ElementsAre("A", "B"));
  EXPECT_THAT(source.attributes[0].codes, ElementsAre(0, 0xffffffffu, 1));
  EXPECT_EQ(source.attributes[1].kind, AttributeKind::kNumber);
  EXPECT_EQ(source.attributes[1].numbers[2], 61.5);
  EXPECT_TRUE(std::isnan(source.attributes[1].numbers[1]));
}

TEST_F(VectorsTest, IdsOfAnArrayMayEndInCarriageReturns) {
  EXPECT_THAT(read_vectors(array("u\r\nv\r\n"), {}).ids, ElementsAre("u", "v"));
}

TEST_F(VectorsTest, ColumnsComeInTheOrderAskedFor) {
  VectorOptions options;
  options.columns = {"y", "x"};
  const auto source = read_vectors(file("t.csv", "x,name,y\n1,ann,2\n"), options);
  EXPECT_THAT(values(source), ElementsAre(2, 1));
  EXPECT_THAT(source.ids, IsEmpty());
}

TEST_F(VectorsTest, ColumnsOfNumbersAndTextAreToldApartByAllTheirCells) {
  VectorOptions options;
  options.attributes = {{"code", {}}, {"none", {}}};
  const auto source = read_vectors(file("t.csv", "x,code,none\n1,7,\n2,8a,\n"), options);
  EXPECT_EQ(source.attributes[0].kind, AttributeKind::kText);
  EXPECT_EQ(source.attributes[1].kind, AttributeKind::kText);
}

TEST_F(VectorsTest, RefusesWhatATableDoesNotHave) {
  const auto path = file("t.csv", "pid,height,weight\n1,2,3\n");
  VectorOptions options;
  options.columns = {"hieght"};
  SALUS_EXPECT_ERROR(read_vectors(path, options), AllOf(HasSubstr("no column \"hieght\""),
                                                        HasSubstr("did you mean \"height\"?")));
  options = {};
  options.id = "patient";
  SALUS_EXPECT_ERROR(read_vectors(path, options), HasSubstr("no column \"patient\""));
  options.id_is_optional = true;
  EXPECT_THAT(read_vectors(path, options).ids, IsEmpty());
  options = {};
  options.attributes = {{"site", {}}};
  SALUS_EXPECT_ERROR(read_vectors(path, options), HasSubstr("no column \"site\""));
  options = {};
  options.id = "pid";
  options.attributes = {{"height", {}}, {"weight", {}}};
  SALUS_EXPECT_ERROR(read_vectors(path, options), HasSubstr("no columns left"));
}

TEST_F(VectorsTest, RefusesCellsThatAreNoNumbers) {
  const auto path = file("t.csv", "x,name\n1,ann\n2,bob\n");
  SALUS_EXPECT_ERROR(
      read_vectors(path, {}),
      AllOf(HasSubstr("row 1, column \"name\""), HasSubstr("\"ann\""), HasSubstr("--attributes")));
  VectorOptions options;
  options.columns = {"x"};
  SALUS_EXPECT_ERROR(read_vectors(file("u.csv", "x\n1\n1e999\n"), options),
                     HasSubstr("row 2, column \"x\": \"1e999\" is not a number"));
  options.attributes = {{"name", AttributeKind::kNumber}};
  options.kinds_are_known = true;
  SALUS_EXPECT_ERROR(read_vectors(path, options), HasSubstr("as this attribute is in the index"));
}

TEST_F(VectorsTest, AnArrayGivesRowsAndTheIdsBesideIt) {
  const auto source = read_vectors(array("first one\nsecond\n"), {});
  EXPECT_EQ(source.dim, 3);
  EXPECT_THAT(values(source), ElementsAre(1, 2, 3, -4, 5.5, 6));
  EXPECT_THAT(source.ids, ElementsAre("first one", "second"));
  const at::Tensor last = source.read(1, 1);
  EXPECT_EQ(last[0][0].item<float>(), -4);
}

TEST_F(VectorsTest, AnArrayWithoutIdsHasNone) {
  EXPECT_THAT(read_vectors(array(), {}).ids, IsEmpty());
}

TEST_F(VectorsTest, ReadsArraysOfEveryNumberType) {
  for (const char* dtype : {"<f2", "<f8", "|u1", "|i1", "<i2", "<i4", "<i8"}) {
    io::NpyArray ramp = io::read_npy(
        data_path(fmt::format("arrays/{}{}.npy", dtype[0] == '|' ? "" : "little_", dtype + 1)));
    io::write_npy(folder_.path("r.npy"), ramp.dtype, {4, 6}, ramp.bytes);
    const auto read = values(read_vectors(folder_.path("r.npy"), {}));
    for (std::size_t i = 0; i < 24; ++i) EXPECT_EQ(read[i], static_cast<float>(i)) << dtype;
  }
}

TEST_F(VectorsTest, RefusesArraysThatAreNoVectors) {
  SALUS_EXPECT_ERROR(read_vectors(data_path("arrays/little_f4.npy"), {}),
                     HasSubstr("array of 3 dimensions"));
  const std::vector<std::byte> values(8 * 5000);
  io::write_npy(folder_.path("w.npy"), "<f8", {1, 5000}, values);
  SALUS_EXPECT_ERROR(read_vectors(folder_.path("w.npy"), {}), HasSubstr("vectors of 5000 values"));
  io::write_npy(folder_.path("u.npy"), "<u4", {2, 1}, std::span(values).first(8));
  SALUS_EXPECT_ERROR(read_vectors(folder_.path("u.npy"), {}), HasSubstr("dtype <u4"));
  const std::string whole = io::read_text(array());
  SALUS_EXPECT_ERROR(read_vectors(file("t.npy", whole.substr(0, whole.size() - 1)), {}),
                     HasSubstr("truncated"));
  SALUS_EXPECT_ERROR(read_vectors(array("only one\n"), {}), HasSubstr("has 1 lines"));
}

TEST_F(VectorsTest, ATableBringsAttributesToAnArrayById) {
  VectorOptions options;
  options.id = "file";
  options.table = file("t.csv", "site,file\nB,v\nC,w\nA,u\n");
  options.attributes = {{"site", {}}};
  const auto source = read_vectors(array("u\nv\n"), options);
  EXPECT_THAT(source.attributes[0].dictionary, ElementsAre("A", "B"));
  options.table = file("t.csv", "site,file\nB,v\n");
  SALUS_EXPECT_ERROR(read_vectors(array("u\nv\n"), options), HasSubstr("no row with the id \"u\""));
  options.table = file("t.csv", "site,file\nB,v\nA,u\nC,v\n");
  SALUS_EXPECT_ERROR(read_vectors(array("u\nv\n"), options), HasSubstr("\"v\" in rows 1 and 3"));
  options.id = "";
  SALUS_EXPECT_ERROR(read_vectors(array("u\nv\n"), options), HasSubstr("matched by ids"));
}

TEST_F(VectorsTest, RefusesOptionsThatDoNotGoTogether) {
  VectorOptions options;
  options.attributes = {{"site", {}}};
  SALUS_EXPECT_ERROR(read_vectors(array("u\nv\n"), options), HasSubstr("has no columns"));
  options = {};
  options.id = "pid";
  SALUS_EXPECT_ERROR(read_vectors(array("u\nv\n"), options), HasSubstr("has no columns"));
  options.table = folder_.path("t.csv");
  SALUS_EXPECT_ERROR(read_vectors(file("u.csv", "pid,x\n1,2\n"), options),
                     HasSubstr("is a table and has its own"));
}

}  // namespace
}  // namespace salus::similar
