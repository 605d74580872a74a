#include "engine/data/onset_targets.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/engine/data/stay_files.h"

namespace salus::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Task kTwo{TaskKind::kMultilabel, {"within 2 h", "within 4 h"}};
constexpr const char* kHorizons = "horizons = [2, 4]\n";

/// Hourly heart rates of 0 to 6 h each; "early" begins after its onset, "lost" has no label row.
class OnsetTargetsTest : public StayFiles {
 protected:
  OnsetTargetsTest()
      : StayFiles(
            "modality = 'vitals'\nsteps = 8\n[variables]\n[[variables.variable]]\n"
            "name = 'HR'\n") {
    std::string events = "stay_id,time,variable,value\n";
    for (const char* stay : {"onset", "between", "none", "early", "lost"}) {
      for (int t = 0; t < 7; ++t) {
        events += std::string(stay) + "," + std::to_string(t) + ",HR,80\n";
      }
    }
    write("events.csv", events);
    write("labels.csv",
          "stay_id,onset_hour,end_hour\nonset,5,\nbetween,3.5,\nnone,,8\nearly,-2,\n");
  }

  /// The labels of a stay at a horizon as text, one character a step: 0, 1, or . for none.
  std::string labels(const StaySource& source, std::int64_t stay, std::int64_t horizon) {
    const at::Tensor target = source.open({stay})->load({0}).target;
    std::string text;
    for (std::int64_t t = 0; t < target.size(1); ++t) {
      const float label = target[0][t][horizon].item<float>();
      text += std::isnan(label) ? '.' : label == 1 ? '1' : label == 0 ? '0' : '?';
    }
    return text;
  }
  StaySource source(const std::string& more = "", const Task& task = kTwo) {
    auto stays = open("onset = 'onset_hour'\n" + std::string(kHorizons) + more, task);
    stays.fit({0, 1, 2, 3, 4});
    return stays;
  }
};

TEST_F(OnsetTargetsTest, AStepIsPositiveIfTheOnsetComesWithinItsHorizon) {
  const auto stays = source();
  // Onset at 5 h: in (t, t + 2] for t = 3, 4; in (t, t + 4] for t = 1 to 4. From 5 on it is past.
  EXPECT_EQ(labels(stays, 0, 0), "00011...");
  EXPECT_EQ(labels(stays, 0, 1), "01111...");
}

TEST_F(OnsetTargetsTest, TheBinOfTheOnsetIsAfterIt) {
  const auto stays = source();
  // Onset at 3.5 h: bin 3 has events of after it. In (t, t + 2] for t = 2, in (t, t + 4] from 0 on.
  EXPECT_EQ(labels(stays, 1, 0), "001.....");
  EXPECT_EQ(labels(stays, 1, 1), "111.....");
}

TEST_F(OnsetTargetsTest, WithoutAnOnsetAStepIsNegativeAsFarAsTheStayWasObserved) {
  // The last event is at 6 h: (t, t + 2] is known for t up to 4, (t, t + 4] up to 2.
  EXPECT_EQ(labels(source(), 2, 0), "00000...");
  EXPECT_EQ(labels(source(), 2, 1), "000.....");
  const auto until = source("observed_until = 'end_hour'\n");  // 8 h
  EXPECT_EQ(labels(until, 2, 0), "0000000.") << "bin 7 is beyond the stay's last event";
  EXPECT_EQ(labels(until, 2, 1), "00000...");
  EXPECT_EQ(labels(until, 0, 1), "01111...") << "an empty cell: no statement";
  EXPECT_EQ(labels(source("censored = 'negative'\n"), 2, 1), "0000000.");
}

TEST_F(OnsetTargetsTest, StepsFromTheOnsetOnAreLabelledAsTold) {
  EXPECT_EQ(labels(source("after_onset = 'positive'\n"), 0, 0), "0001111.");
  EXPECT_EQ(labels(source("after_onset = 'negative'\n"), 0, 0), "0001100.");
  EXPECT_EQ(labels(source("after_onset = 'positive'\n"), 3, 1), "1111111.");
  EXPECT_EQ(labels(source(), 3, 0), "........");
}

TEST_F(OnsetTargetsTest, AStayWithoutARowOfLabelsIsNotKnown) {
  EXPECT_EQ(labels(source("censored = 'negative'\n"), 4, 0), "........");
}

TEST_F(OnsetTargetsTest, TheFirstOneOfLabelsOfStepsIsTheOnset) {
  std::string rows = "stay_id,time,sepsis\n";
  for (int t = 0; t < 7; ++t) {
    rows += "onset," + std::to_string(t) + "," + (t >= 3 ? "1" : "0") + "\n";
  }
  rows += "none,0,0\nnone,1,0\nnone,4,0\nnone,5,\nlost,0,\n";
  write("labels.csv", rows);
  auto stays = open("onset = 'sepsis'\n" + std::string(kHorizons), kTwo);
  stays.fit({0});
  EXPECT_EQ(labels(stays, 0, 0), "011.....");
  EXPECT_EQ(labels(stays, 2, 0), "000.....") << "labelled until 4 h";
  EXPECT_EQ(labels(stays, 4, 0), "........");
  auto late = open("onset = 'sepsis'\nlabel_lead = 2\n" + std::string(kHorizons), kTwo);
  late.fit({0});
  EXPECT_EQ(labels(late, 0, 0), "00011...") << "labels begin 2 h before the onset at 5 h";
}

TEST_F(OnsetTargetsTest, ABundlesLeadIsNotOfDataThatGiveHours) {
  write("labels.csv", "stay_id,time,sepsis\nonset,3,1\nnone,4,0\n");
  auto trained = open("onset = 'sepsis'\nlabel_lead = 2\n" + std::string(kHorizons), kTwo);
  trained.fit({0});
  EXPECT_EQ(labels(trained, 0, 0), "00011...");
  write("labels.csv", "stay_id,hour\nonset,5\n");
  const auto hours = open("label = 'hour'\n", kTwo, trained.transform_toml());
  EXPECT_EQ(labels(hours, 0, 0), "00011...");
}

TEST_F(OnsetTargetsTest, AStaticColumnMayHoldTheOnset) {
  write("statics.csv", "stay_id,patient_id,Age,hour\nonset,P1,60,5\nnone,P2,50,\n");
  auto stays = open("onset = 'hour'\n" + std::string(kHorizons), kTwo);
  stays.fit({0});
  EXPECT_EQ(labels(stays, 0, 0), "00011...");
  EXPECT_EQ(labels(stays, 2, 0), "00000...");
}

TEST_F(OnsetTargetsTest, ACasesTargetIsThatOfAnyStep) {
  const auto stays = source();
  EXPECT_EQ(stays.cases()[0].target, (std::vector<float>{1, 1}));
  EXPECT_EQ(stays.cases()[2].target, (std::vector<float>{0, 0}));
  EXPECT_TRUE(std::isnan(stays.cases()[3].target[0]));
  ModelSpec spec;
  stays.describe(spec);
  EXPECT_TRUE(spec.per_step);
}

TEST_F(OnsetTargetsTest, ABundlesTransformKeepsTheQuestion) {
  const auto stays = source("after_onset = 'positive'\nobserved_until = 'end_hour'\n");
  const auto again = open("", kTwo, stays.transform_toml());
  for (const int stay : {0, 1, 2, 3}) {
    EXPECT_EQ(labels(again, stay, 1), labels(stays, stay, 1)) << stay;
  }
  EXPECT_EQ(again.transform_toml(), stays.transform_toml());
  write("labels.csv", "stay_id,hour,end_hour\nonset,4,\n");
  const auto renamed = open("label = 'hour'\n", kTwo, stays.transform_toml());
  EXPECT_EQ(labels(renamed, 0, 0), "0011111.") << "the data may have another column";
  std::filesystem::remove(folder_ / "labels.csv");
  EXPECT_TRUE(open("", kTwo, stays.transform_toml()).cases()[0].target.empty()) << "unlabelled";
}

TEST_F(OnsetTargetsTest, TimesAreWholeSecondsAsOnTheGrid) {
  transform_ =
      "modality = 'vitals'\nsteps = 8\nstep = '30 min'\n[variables]\n"
      "[[variables.variable]]\nname = 'HR'\n";
  write("labels.csv", "stay_id,onset_hour\nonset,2.0001\nbetween,2.0002\n");
  auto stays = open("onset = 'onset_hour'\nhorizons = [0.5]\n", {TaskKind::kBinary, {"soon"}});
  stays.fit({0});
  // Both in bin 4, [2 h, 2.5 h): 0.36 s rounds to 2 h, which is in (1.5 h, 2 h]; 0.72 s does not.
  EXPECT_EQ(labels(stays, 0, 0), "0001....");
  EXPECT_EQ(labels(stays, 1, 0), "0000....");
}

TEST_F(OnsetTargetsTest, RefusesWhatCannotBeAsked) {
  const std::string onset = "onset = 'onset_hour'\n";
  EXPECT_THAT(refusal("onset = 'hour'\n" + std::string(kHorizons), kTwo),
              AllOf(HasSubstr("\"hour\""), HasSubstr("onset_hour, end_hour")));
  EXPECT_THAT(refusal(onset + "horizons = [2]\n", kTwo),
              AllOf(HasSubstr("1 horizons"), HasSubstr("2 outputs")));
  EXPECT_THAT(refusal(onset + "horizons = [2, 2]\n", kTwo), HasSubstr("each once"));
  EXPECT_THAT(refusal(onset + "horizons = [0, 2]\n", kTwo), HasSubstr("above 0"));
  EXPECT_THAT(refusal(onset + "horizons = [0.5, 2]\n", kTwo), HasSubstr("below the step of 1 h"));
  EXPECT_THAT(refusal(onset, kTwo), HasSubstr("horizons"));
  EXPECT_THAT(refusal(kHorizons, kTwo), HasSubstr("needs the key \"onset\""));
  EXPECT_THAT(refusal("label_lead = 6\n", kTwo),
              AllOf(HasSubstr("label_lead"), HasSubstr("needs the key \"onset\"")));
  EXPECT_THAT(refusal(onset + kHorizons + "label = 'death'\n", kTwo), HasSubstr("exclude"));
  EXPECT_THAT(refusal(onset + kHorizons + "next = ['HR']\n", kTwo), HasSubstr("exclude"));
  EXPECT_THAT(refusal(onset + kHorizons + "label_lead = 6\n", kTwo), HasSubstr("labels of steps"));
  EXPECT_THAT(refusal(onset + kHorizons + "observed_until = 'end'\n", kTwo), HasSubstr("\"end\""));
  EXPECT_THAT(refusal(onset + kHorizons + "after_onset = 'masked'\n", kTwo), HasSubstr("unknown"));
  EXPECT_THAT(refusal(onset + kHorizons, {TaskKind::kMulticlass, {"a", "b"}}),
              HasSubstr("multilabel"));
}

}  // namespace
}  // namespace salus::data
