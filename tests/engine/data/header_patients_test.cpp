#include "engine/data/header_patients.h"

#include <filesystem>

#include "engine/data/source.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "tests/support/dicom_builder.h"
#include "tests/support/files.h"

namespace salus::data {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t kPatientId = 0x00100020;

class HeaderPatientsTest : public ::testing::Test {
 protected:
  std::string dicom(const std::string& name, const std::string& patient) {
    auto file = test::DicomBuilder().size(1, 2).pixels8({1, 2});
    if (!patient.empty()) file.text(kPatientId, "LO", patient);
    fs::create_directories(fs::path(folder_.path(name)).parent_path());
    test::write_test_file(folder_.path(name), file.build());
    return folder_.path(name);
  }
  std::string array(const std::string& name) {
    io::write_npy(folder_.path(name), "|u1", {1, 2}, std::vector<std::byte>(2));
    return folder_.path(name);
  }

  /// Fills cases of these files and keeps the sentence about them.
  std::vector<std::string> patients(const std::vector<std::string>& paths) {
    std::vector<ImageCase> cases(paths.size());
    for (std::size_t i = 0; i < paths.size(); ++i) cases[i].path = paths[i];
    return filled(cases);
  }
  std::vector<std::string> filled(std::vector<ImageCase>& cases) {
    said_ = fill_patients(cases, 2);
    std::vector<std::string> found;
    for (const ImageCase& item : cases) found.push_back(item.info.patient);
    return found;
  }

  test::TemporaryFolder folder_;
  std::string said_;
};

TEST_F(HeaderPatientsTest, AreThoseOfTheFilesAndAreNotNamed) {
  EXPECT_THAT(patients({dicom("a", "SECRET1"), dicom("b", "SECRET2"), dicom("c", "SECRET1")}),
              ElementsAre("SECRET1", "SECRET2", "SECRET1"));
  EXPECT_EQ(
      said_,
      "Patients are those of the DICOM headers: 2 of 3 images. [data] patient = \"\" leaves them "
      "out.");
}

TEST_F(HeaderPatientsTest, WhatNamesNoneOrCannotBeReadStaysWithoutOne) {
  const auto damaged = dicom("damaged", "SECRET3");
  fs::resize_file(damaged, 140);
  EXPECT_THAT(patients({dicom("a", "SECRET1"), dicom("b", "SECRET2"), dicom("c", ""),
                        array("d.npy"), folder_.path("missing"), damaged}),
              ElementsAre("SECRET1", "SECRET2", "", "", "", ""));
  EXPECT_EQ(
      said_,
      "Patients are those of the DICOM headers: 2 of 6 images, some of which name none. [data] "
      "patient = \"\" leaves them out.");
}

TEST_F(HeaderPatientsTest, OfASeriesTheFirstFileSpeaks) {
  dicom("one/1.dcm", "SECRET1");
  dicom("one/2.dcm", "SECRET2");
  fs::create_directories(folder_.path("empty"));
  EXPECT_THAT(patients({folder_.path("one"), dicom("b", "SECRET2"), folder_.path("empty")}),
              ElementsAre("SECRET1", "SECRET2", ""));
}

TEST_F(HeaderPatientsTest, KnownPatientsAreLeftAsTheyAre) {
  std::vector<ImageCase> cases(2);
  cases[0].path = dicom("a", "SECRET1");
  cases[1].path = dicom("b", "SECRET2");
  cases[1].info.patient = "P7";
  EXPECT_THAT(filled(cases), ElementsAre("", "P7"));
  EXPECT_EQ(said_, "");
}

TEST_F(HeaderPatientsTest, ImagesOfAnArchiveHaveNoHeaders) {
  std::vector<ImageCase> cases(2);
  for (ImageCase& item : cases) item.path = folder_.path("a.npz#train_images");
  cases[1].index = 1;
  EXPECT_THAT(filled(cases), ElementsAre("", ""));
  EXPECT_EQ(said_, "");
}

TEST_F(HeaderPatientsTest, OneNameForAllIsThatOfAStrangerWhoHidesThem) {
  const std::string sentence = "The DICOM files name one patient only: cases are divided by image.";
  EXPECT_THAT(patients({dicom("a", "ANONYMOUS"), dicom("b", "ANONYMOUS")}), ElementsAre("", ""));
  EXPECT_EQ(said_, sentence);
  EXPECT_THAT(patients({dicom("a", "ANONYMOUS"), dicom("b", "")}), ElementsAre("", ""));
  EXPECT_EQ(said_, sentence);
  EXPECT_THAT(patients({dicom("a", "ANONYMOUS")}), ElementsAre(""));
  EXPECT_EQ(said_, "");
}

TEST_F(HeaderPatientsTest, WithoutDicomThereIsNothingToSay) {
  EXPECT_THAT(patients({array("a.npy"), array("b.npy"), dicom("c", "")}), ElementsAre("", "", ""));
  EXPECT_EQ(said_, "");
  EXPECT_THAT(patients({}), ElementsAre());
  EXPECT_EQ(said_, "");
}

TEST_F(HeaderPatientsTest, ASourceHasThemUnlessItsManifestDoes) {
  dicom("a.dcm", "SECRET1");
  dicom("b.dcm", "SECRET2");
  const auto open = [&](const std::string& manifest, const std::string& more = "") {
    io::write_text(folder_.path("labels.csv"), manifest);
    const std::string data = "root = '" + folder_.path() + "'\nmanifest = 'labels.csv'\n" + more;
    return open_source(Config::parse(data, "t.toml"), Config::parse("size = [2, 2]", "t.toml"),
                       {TaskKind::kBinary, {"label"}}, 1);
  };
  const auto without = open("file,label\na.dcm,1\nb.dcm,0\n");
  EXPECT_EQ(without->cases()[0].patient, "SECRET1");
  EXPECT_EQ(without->open({1})->info(0).patient, "SECRET2");
  EXPECT_THAT(without->remarks(), AllOf(HasSubstr("2 of 2 images"), Not(HasSubstr("SECRET"))));
  const auto with = open("file,label,patient_id\na.dcm,1,P1\nb.dcm,0,P1\n");
  EXPECT_EQ(with->cases()[1].patient, "P1");
  EXPECT_EQ(with->remarks(), "");
  const auto none = open("file,label,patient_id\na.dcm,1,P1\nb.dcm,0,P1\n", "patient = ''");
  EXPECT_EQ(none->cases()[1].patient, "");
  EXPECT_EQ(none->remarks(), "");
}

}  // namespace
}  // namespace salus::data
