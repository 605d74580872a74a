#include "engine/data/image_dataset.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "engine/data/source.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"

namespace salus::data {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

const Task kPneumonia{TaskKind::kBinary, {"pneumonia"}};

class ImageDatasetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("salus_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Config config(const std::string& toml) {
    return Config::parse("root = '" + folder_.string() + "'\n" + toml, "test.toml");
  }

  void write_image(const std::string& name, std::uint8_t value) {
    const std::vector<std::byte> bytes(16, std::byte{value});
    io::write_npy((folder_ / name).string(), "|u1", {4, 4}, bytes);
  }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    io::write_text((folder_ / name).string(), text);
  }

  std::shared_ptr<Transform> transform() {
    return std::make_shared<Transform>(Config::parse("size = [2, 2]", "test.toml"));
  }

  fs::path folder_;
};

TEST_F(ImageDatasetTest, ReadsAManifest) {
  write("labels.csv",
        "file,pneumonia,patient_id,view\na.npy,1,P1,AP\nb.npy,0,P2,PA\nc.npy,,P3,PA\n");
  const auto cases =
      read_cases(config("manifest = 'labels.csv'\nsubgroups = ['view']"), kPneumonia);
  ASSERT_EQ(cases.size(), 3U);
  EXPECT_EQ(cases[0].info.id, "a.npy");
  EXPECT_EQ(cases[0].info.patient, "P1");
  EXPECT_EQ(cases[1].info.subgroups.at("view"), "PA");
  EXPECT_EQ(cases[0].info.target[0], 1);
  EXPECT_EQ(cases[1].info.target[0], 0);
  EXPECT_TRUE(std::isnan(cases[2].info.target[0]));
}

TEST_F(ImageDatasetTest, ManifestErrorsNameLineAndColumn) {
  write("labels.csv", "file,pneumonia\na.npy,1\nb.npy,perhaps\n");
  try {
    read_cases(config("manifest = 'labels.csv'"), kPneumonia);
    FAIL() << "'perhaps' was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 3"));
    EXPECT_THAT(error.what(), HasSubstr("perhaps"));
  }
  EXPECT_THROW(read_cases(config("manifest = 'labels.csv'\nlabel = 'cough'"), kPneumonia), Error);
  EXPECT_THROW(read_cases(config("manifest = 'none.csv'"), kPneumonia), Error);
  EXPECT_THROW(read_cases(config(""), kPneumonia), UsageError);
}

TEST_F(ImageDatasetTest, RowsOfAManifestMustNameAFile) {
  const auto error_of = [&](const std::string& manifest) -> std::string {
    write("labels.csv", manifest);
    try {
      read_cases(config("manifest = 'labels.csv'"), kPneumonia);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  for (const char* blank : {"", "  "}) {
    EXPECT_THAT(error_of("file,pneumonia\na.npy,1\n" + std::string(blank) + ",0\n"),
                HasSubstr("labels.csv, line 3: the column \"file\" is empty; name a file or remove "
                          "the row."));
  }
  for (const char* root : {".", "./", "a/.."}) {
    EXPECT_THAT(error_of("file,pneumonia\n" + std::string(root) + ",0\n"),
                HasSubstr("which is the root folder itself"));
  }
  EXPECT_EQ(error_of("file,pneumonia\nseries,0\n./a.npy,0\n../b.npy,1\n"), "no error");
  EXPECT_THAT(error_of("file,pneumonia\n"), HasSubstr("labels.csv has no rows"));
}

TEST_F(ImageDatasetTest, ReadsMulticlassNames) {
  write("labels.csv", "file,kind\na.npy,cat\nb.npy,dog\n");
  const Task task{TaskKind::kMulticlass, {"dog", "cat"}};
  const auto cases = read_cases(config("manifest = 'labels.csv'\nlabel = 'kind'"), task);
  EXPECT_EQ(cases[0].info.target, (std::vector<float>{0, 1}));
  EXPECT_EQ(cases[1].info.target, (std::vector<float>{1, 0}));
}

TEST_F(ImageDatasetTest, ReadsAFolderPerClass) {
  write("normal/a.npy", "x");
  write("pneumonia/b.npy", "x");
  for (const char* clutter :
       {"normal/.DS_Store", "normal/Thumbs.db", "pneumonia/.cache/c.npy", ".git/d.npy"}) {
    write(clutter, "x");
  }
  const auto cases = read_cases(config("folder = '.'"), kPneumonia);
  ASSERT_EQ(cases.size(), 2U);
  EXPECT_EQ(cases[0].info.target[0], 0);
  EXPECT_EQ(cases[1].info.target[0], 1);
}

TEST_F(ImageDatasetTest, ReadsMedMnist) {
  const auto data =
      Config::parse("root = 'tests/data/pneumoniamnist'\nnpz = 'pneumoniamnist.npz'", "test.toml");
  auto cases = read_cases(data, kPneumonia);
  std::map<std::string, int> parts;
  for (const auto& item : cases) ++parts[item.info.part];
  EXPECT_EQ(parts, (std::map<std::string, int>{{"train", 4708}, {"valid", 524}, {"test", 624}}));
  std::erase_if(cases, [](const ImageCase& item) { return item.info.part != "test"; });
  EXPECT_EQ(cases[0].info.id, "pneumoniamnist.npz#test/0");
  const ImageDataset dataset(cases, transform(), kPneumonia, 2);
  const auto batch = dataset.load({0, 5, 623});
  EXPECT_EQ(batch.inputs.at("image").sizes(), (std::vector<std::int64_t>{3, 1, 2, 2}));
  EXPECT_EQ(batch.target.sizes(), (std::vector<std::int64_t>{3, 1}));
}

TEST_F(ImageDatasetTest, ReadsPartsFromTheSplitColumn) {
  write("labels.csv", "file,pneumonia,part\na.npy,1,train\nb.npy,0,val\nc.npy,0,test\n");
  const auto cases =
      read_cases(config("manifest = 'labels.csv'\nsplit.column = 'part'"), kPneumonia);
  EXPECT_EQ(cases[0].info.part, "train");
  EXPECT_EQ(cases[1].info.part, "valid");
  EXPECT_EQ(cases[2].info.part, "test");
  EXPECT_TRUE(cases[0].info.subgroups.empty());
}

TEST_F(ImageDatasetTest, PartsHaveOneNameEach) {
  for (const char* name : {"valid", "val", "validation"}) EXPECT_EQ(part_named(name), "valid");
  EXPECT_EQ(part_named("train"), "train");
  EXPECT_EQ(part_named("test"), "test");
  for (const char* name : {"", "Test", "exam"}) EXPECT_EQ(part_named(name), "");
}

TEST_F(ImageDatasetTest, SourceOpensCasesAndDescribesTheInput) {
  write_image("a.npy", 10);
  write_image("b.npy", 20);
  write("labels.csv", "file,pneumonia\na.npy,1\nb.npy,0\n");
  const auto source = open_source(config("manifest = 'labels.csv'"),
                                  Config::parse("size = [2, 3]", "t.toml"), kPneumonia, 1);
  const auto dataset = source->open({1});
  EXPECT_EQ(dataset->info(0).id, "b.npy");
  EXPECT_EQ(dataset->load({0}).inputs.at("image").sizes(), (std::vector<std::int64_t>{1, 1, 2, 3}));
  ModelSpec spec;
  source->describe(spec);
  EXPECT_EQ(input_text(spec), "2 x 3 pixels in 1 channel");
  EXPECT_THAT(source->transform_toml(), HasSubstr("modality = 'image'"));
  EXPECT_THROW(open_source(config("manifest = 'labels.csv'"),
                           Config::parse("modality = 'sound'", "t.toml"), kPneumonia, 1),
               UsageError);
}

TEST_F(ImageDatasetTest, CachedAndUncachedAreEqual) {
  std::string manifest = "file,pneumonia\n";
  for (int i = 0; i < 9; ++i) {
    write_image(std::to_string(i) + ".npy", static_cast<std::uint8_t>(i * 20));
    manifest += std::to_string(i) + ".npy,1\n";
  }
  write("labels.csv", manifest);
  const auto cases = read_cases(config("manifest = 'labels.csv'"), kPneumonia);
  ImageDataset dataset(cases, transform(), kPneumonia, 2);
  const auto before = dataset.load({8, 0, 3}).inputs.at("image");
  const auto hash = dataset.content_hash(3);
  std::int64_t reported = 0;
  dataset.cache([&](std::int64_t done, std::int64_t) { reported = std::max(reported, done); });
  EXPECT_TRUE(dataset.load({8, 0, 3}).inputs.at("image").equal(before));
  EXPECT_EQ(dataset.content_hash(3), hash);
  EXPECT_NE(dataset.content_hash(4), hash);
  EXPECT_EQ(reported, 9);
  EXPECT_NEAR(before[2][0][0][0].item<float>(), 60.0 / 255, 1e-6);
}

TEST_F(ImageDatasetTest, NamesAllFilesThatCannotBeRead) {
  write_image("good.npy", 1);
  write("bad.npy", "not an array");
  write("labels.csv", "file,pneumonia\ngood.npy,1\nbad.npy,0\nmissing.npy,0\n");
  ImageDataset dataset(read_cases(config("manifest = 'labels.csv'"), kPneumonia), transform(),
                       kPneumonia, 2);
  try {
    dataset.cache();
    FAIL() << "bad.npy was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("2 of 3"));
    EXPECT_THAT(error.what(), HasSubstr("bad.npy"));
    EXPECT_THAT(error.what(), HasSubstr("missing.npy"));
  }
  EXPECT_EQ(dataset.missing_files(), std::vector<std::string>{(folder_ / "missing.npy").string()});
}

}  // namespace
}  // namespace salus::data
