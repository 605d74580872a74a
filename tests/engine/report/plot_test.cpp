#include "engine/report/plot.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/engine/report/sample_report.h"

namespace salus::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const evaluate::LabelResult& sample_label() {
  static const ReportData data = testing::sample_report(50);
  return data.evaluation.labels[0];
}

TEST(PlotTest, EveryPlotOfARealLabelIsFiniteSvg) {
  const auto& label = sample_label();
  for (const std::string& svg : {roc_plot(label), pr_plot(label), reliability_plot(label),
                                 histogram_plot(label), confusion_plot(label)}) {
    EXPECT_EQ(svg.rfind("<svg ", 0), 0u);
    EXPECT_EQ(svg.substr(svg.size() - 6), "</svg>");
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf ")));
  }
}

TEST(PlotTest, TheRocPlotShowsBandAreaAndOperatingPoints) {
  const std::string svg = roc_plot(sample_label());
  EXPECT_THAT(svg, HasSubstr("class=\"band s1\""));
  EXPECT_THAT(svg, HasSubstr("AUROC 0."));
  EXPECT_THAT(svg, HasSubstr("sensitivity&gt;=0.95"));
}

TEST(PlotTest, AnAbsentClassDrawsNothing) {
  evaluate::Predictions p;
  p.labels = {"x"};
  p.probabilities = {{0.2}, {0.4}};
  p.targets = {{0}, {0}};
  const auto label = evaluate::evaluate(p).labels[0];
  EXPECT_EQ(roc_plot(label), "");
  EXPECT_EQ(pr_plot(label), "");
  EXPECT_NE(histogram_plot(label), "");
  EXPECT_EQ(roc_plot({}), "");
  EXPECT_EQ(reliability_plot({}), "");
  EXPECT_EQ(histogram_plot({}), "");
  EXPECT_EQ(confusion_plot(evaluate::LabelResult{}), "");
  EXPECT_EQ(scatter_plot({}), "");
}

TEST(PlotTest, ConfusionShowsEveryCountAndItsShare) {
  const std::string svg = confusion_plot({{90, 10, 0}, {5, 15, 0}, {1, 1, 2}},
                                         {"normal", "viral & other", "bacterial"});
  for (const char* text : {">90<", ">90.0 %<", ">15<", ">75.0 %<", "viral &amp;"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_EQ(confusion_plot({{1}}, {"a", "b"}), "");
}

TEST(PlotTest, TrainingCurvesBreakWhereNothingWasMeasured) {
  const double nan = std::nan("");
  const std::string svg = training_plot({{"loss", {1, nan, 0.5, 0.4}}}, "Loss");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(training_plot({{"loss", {nan}}}, "Loss"), "");
  EXPECT_NE(training_plot({{"loss", {0.5}}}, "Loss"), "");
  EXPECT_EQ(training_plot({}, "Loss"), "");
}

TEST(PlotTest, ForestRowsKeepTheirPlaceWithoutAValue) {
  evaluate::Estimate absent{"auroc", std::nan(""), {}, "no case is positive"};
  evaluate::Estimate wide{"auroc", 0.8, evaluate::Interval{0.6, 0.9, "bootstrap"}, ""};
  const std::string svg =
      forest_plot({{"view = AP", 40, absent}, {"view = PA", 60, wide}}, "AUROC", 0.82);
  EXPECT_THAT(svg, HasSubstr(">absent<"));
  EXPECT_THAT(svg, HasSubstr("0.800 [0.600, 0.900]"));
  EXPECT_THAT(svg, HasSubstr("all: 0.820"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(forest_plot({}, "AUROC", 0.5), "");
  EXPECT_EQ(forest_plot({{"a", 1, absent}}, "AUROC", std::nan("")), "");
}

TEST(SvgTest, EscapesMarkupControlsAndMalformedUtf8) {
  EXPECT_EQ(escape("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
  EXPECT_EQ(escape(std::string("a\0b\x1F", 4)), "ab");
  EXPECT_EQ(escape("\xC3\xA4"), "\xC3\xA4");
  EXPECT_EQ(escape("\xFFx"), "\xEF\xBF\xBDx");
  EXPECT_EQ(escape("\xC3"), "\xEF\xBF\xBD");
  EXPECT_EQ(escape("\xED\xA0\x80").find("\xED"), std::string::npos);
}

TEST(SvgTest, TicksAreRoundAndInsideTheRange) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_FALSE(std::signbit(nice_ticks(0, 0.35)[0]));
  EXPECT_EQ(nice_ticks(3, 3), std::vector<double>{3});
  for (const auto& [low, high] : {std::pair{0.13, 0.87}, {-5.0, 3.0}, {1e6, 3e6}, {0.0, 1e-5}}) {
    const auto ticks = nice_ticks(low, high);
    EXPECT_GE(ticks.size(), 3u);
    EXPECT_LE(ticks.size(), 8u);
    EXPECT_GE(ticks.front(), low - 1e-9 * (high - low));
    EXPECT_LE(ticks.back(), high + 1e-9 * (high - low));
  }
}

TEST(SvgTest, AStandalonePictureBringsItsStyle) {
  const std::string file = standalone(roc_plot(sample_label()));
  EXPECT_EQ(file.rfind("<svg xmlns=", 0), 0u);
  EXPECT_THAT(file, HasSubstr("<style>"));
}

}  // namespace
}  // namespace salus::report
