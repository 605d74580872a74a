#include "engine/data/known_labels.h"

#include <gmock/gmock.h>

#include "tests/engine/data/stay_files.h"

namespace salus::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Task kDeath{TaskKind::kBinary, {"death"}};

/// Three stays of two hours each.
class KnownLabelsTest : public StayFiles {
 protected:
  KnownLabelsTest()
      : StayFiles(
            "modality = 'vitals'\nsteps = 2\n[variables]\n[[variables.variable]]\nname = 'HR'\n") {
    write("events.csv",
          "stay_id,time,variable,value\na,0,HR,60\na,1,HR,70\nb,0,HR,60\nb,1,HR,70\nc,0,HR,60\n");
  }

  std::string refusal_of(const std::vector<std::int64_t>& cases, const std::string& keys = "",
                         const Task& task = kDeath) {
    auto stays = open(keys, task);
    stays.fit({0, 1, 2});
    const std::string table = "labels_file = 'labels.csv'\n" + keys;
    try {
      require_known_labels(*stays.open(cases), Config::parse(table, "test.toml"), task,
                           "the training part");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(KnownLabelsTest, OneIsEnough) {
  write("labels.csv", "stay_id,death\na,\nb,0\nc,\n");
  EXPECT_EQ(refusal_of({0, 1, 2}), "");
  EXPECT_THAT(refusal_of({0, 2}),
              AllOf(HasSubstr("test.toml"), HasSubstr("no case of the training part has a label"),
                    HasSubstr("labels.csv (\"death\")")));
  write("labels.csv", "stay_id,died\na,\nb,\nc,\n");
  EXPECT_THAT(refusal_of({0, 1, 2}, "label = 'died'\n"), HasSubstr("labels.csv (\"died\")"));
}

TEST_F(KnownLabelsTest, LabelsOfStepsMustLieOnTheGrid) {
  write("labels.csv", "stay_id,time,death\na,0,\na,2,1\nb,1,0\n");
  EXPECT_EQ(refusal_of({0, 1}), "");
  EXPECT_THAT(refusal_of({0}), HasSubstr("no case")) << "hour 2 is after the last bin";
}

TEST_F(KnownLabelsTest, NextValuesAreKnownWhereTheyAreMeasured) {
  const Task values{TaskKind::kRegression, {"heart rate"}};
  EXPECT_EQ(refusal_of({0}, "next = ['HR']\n", values), "");
  EXPECT_THAT(refusal_of({2}, "next = ['HR']\n", values), HasSubstr("(\"HR\")"));
}

}  // namespace
}  // namespace salus::data
