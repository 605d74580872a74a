#include "engine/report/html_report.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/image.h"
#include "tests/engine/report/sample_report.h"

namespace salus::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Browser {
 public:
  Browser() : folder_(fs::path(::testing::TempDir()) / "salus_report_test") {
    fs::create_directories(folder_);
  }
  static bool is_installed() {
    return std::system("command -v chromium-headless-shell >/dev/null 2>&1") == 0;
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  /// Opens `page` and returns what it prints.
  std::string open(const std::string& page, const std::string& options) const {
    // A dead proxy: nothing of the page may need a network.
    const std::string command =
        "chromium-headless-shell --no-sandbox --disable-dev-shm-usage --disable-gpu "
        "--proxy-server=127.0.0.1:9 --user-data-dir=" +
        file("profile") + " " + options + " file://" + page + " 2>/dev/null";
    std::string output;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[65536];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
    pclose(pipe);
    return output;
  }

 private:
  fs::path folder_;
};

TEST(HtmlReportTest, HoldsEverySection) {
  const std::string html = to_html(testing::sample_report());
  for (const char* text :
       {"pneumonia-28", "AUROC", "ROC curve", "Precision and recall", "Reliability",
        "Confusion matrix", "Scores by class", "Training: Loss", "Operating points", "Subgroups",
        "Compared with pneumonia-small", "Worst cases", "data:image/png;base64,", "All metrics",
        "Speed and stability", "How this was made", "Limits", "Calibration slope"}) {
    EXPECT_THAT(html, HasSubstr(text)) << text;
  }
}

TEST(HtmlReportTest, CountsCasesOrStepsOfStays) {
  ReportData data = testing::sample_report();
  EXPECT_THAT(to_html(data), HasSubstr(std::to_string(data.evaluation.n) + " cases"));
  data.evaluation.labels[0].stays = 16;
  EXPECT_THAT(to_html(data), HasSubstr(std::to_string(data.evaluation.n) + " steps of 16 stays"));
}

TEST(HtmlReportTest, NeedsNoNetworkAndNoScript) {
  const std::string html = to_html(testing::sample_report());
  for (const char* text : {"http:", "https:", "//cdn", "<script", "<link", "@import", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(text)));
  }
}

TEST(HtmlReportTest, EscapesTextAndNamesNoPatient) {
  ReportData data = testing::sample_report();
  data.title = "<script>alert(1)</script>";
  data.worst[0].id = "\"><img src=x onerror=alert(1)>";
  const std::string html = to_html(data);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, HasSubstr("unknown &lt;maker&gt;"));
  EXPECT_THAT(html, HasSubstr("&quot;data &amp; more&quot;"));
  EXPECT_THAT(html, Not(HasSubstr("PATIENT-")));
}

TEST(HtmlReportTest, ShowsStaysWithRiskThresholdAlarmsAndOnset) {
  ReportStay stay;
  stay.id = "p<1>";
  stay.label = "sepsis";
  stay.kind = "Missed";
  stay.risk = {{0, 0.1}, {1, 0.4}, {2, 0.2}};
  stay.threshold = 0.3;
  stay.alarms = {1};
  stay.onset = 2;
  stay.variables = {{"HR", {{0, -1}, {2, 1.5}}}};
  EXPECT_THAT(risk_plot(stay), AllOf(HasSubstr("threshold"), HasSubstr("first positive"),
                                     HasSubstr("class=\"dot s3\"")));
  EXPECT_THAT(observed_plot(stay), HasSubstr("HR"));
  EXPECT_THAT(risk_plot(stay), HasSubstr("text-anchor=\"end\">first positive"));
  stay.onset = 1;
  EXPECT_THAT(risk_plot(stay), Not(HasSubstr("text-anchor=\"end\">first positive")));
  stay.alarms.clear();
  EXPECT_THAT(risk_plot(stay), Not(HasSubstr("class=\"dot s3\"")));
  EXPECT_EQ(risk_plot(ReportStay{}), "");
  ReportData data = testing::sample_report();
  EXPECT_THAT(to_html(data), Not(HasSubstr("Stays over time")));
  data.stays = {stay};
  EXPECT_THAT(to_html(data),
              AllOf(HasSubstr("Stays over time"), HasSubstr("p&lt;1&gt;"), Not(HasSubstr("p<1>"))));
}

TEST(HtmlReportTest, StepsOfStaysHaveATableOfAlarms) {
  evaluate::Predictions p;
  p.labels = {"sepsis <early>"};
  for (int i = 0; i < 200; ++i) {
    p.ids.push_back("STAY-" + std::to_string(i / 20));
    p.patients.push_back("PATIENT-" + std::to_string(i / 20));
    p.hours.push_back(i % 20);
    p.targets.push_back({i % 40 >= 30 ? 1.0 : 0.0});
    p.probabilities.push_back({i % 40 >= 25 ? 0.7 : 0.1 + 0.01 * (i % 7)});
  }
  evaluate::EvaluationOptions options;
  options.resampling.replicates = 50;
  options.operating_points = {{"utility", "sepsis <early>", 0.5}};
  ReportData data;
  data.evaluation = evaluate::evaluate(p, options);
  const std::string html = to_html(data);
  for (const char* text :
       {"<h2>Alarms</h2>", "10 stays, 5 of them with an onset", "Utility", "Alarms per stay day",
        "Lead, median (h)", "prevalence 0.250", "a refractory time of 0 h, a lead of any length"}) {
    EXPECT_THAT(html, HasSubstr(text)) << text;
  }
  EXPECT_THAT(html, Not(HasSubstr("STAY-")));
  EXPECT_THAT(html, Not(HasSubstr("PATIENT-")));
  EXPECT_THAT(html, Not(HasSubstr("<early>")));
  EXPECT_THAT(to_html(testing::sample_report()), Not(HasSubstr("<h2>Alarms</h2>")));
}

TEST(HtmlReportTest, PartsWithoutDataAreLeftOut) {
  ReportData data;
  data.title = "empty";
  const std::string html = to_html(data);
  for (const char* text : {"Worst cases", "Subgroups", "Operating points", "Compared with"}) {
    EXPECT_THAT(html, Not(HasSubstr(text)));
  }
}

TEST(HtmlReportTest, ReportsEveryKindOfTask) {
  for (const TaskKind task :
       {TaskKind::kMulticlass, TaskKind::kMultilabel, TaskKind::kRegression}) {
    evaluate::Predictions p;
    p.task = task;
    p.labels = {"alpha", "beta", "gamma"};
    for (int i = 0; i < 60; ++i) {
      const int c = i % 3;
      std::vector<double> y(3, 0), score(3, 0.1 + (i % 7) * 0.02);
      y[c] = 1;
      score[(i % 5 == 0) ? (c + 1) % 3 : c] = 0.8 - (i % 4) * 0.05;
      p.targets.push_back(y);
      p.probabilities.push_back(score);
      p.subgroups["site"].push_back(i % 2 == 0 ? "a" : "b");
    }
    evaluate::EvaluationOptions options;
    options.resampling.replicates = 50;
    ReportData data;
    data.evaluation = evaluate::evaluate(p, options);
    const std::string html = to_html(data);
    EXPECT_THAT(html, HasSubstr("Labels"));
    EXPECT_THAT(html, HasSubstr("site = a"));
    EXPECT_THAT(html, Not(HasSubstr("nan")));
    if (task == TaskKind::kMulticlass) {
      EXPECT_THAT(html, HasSubstr("Confusion matrix"));
    }
  }
}

TEST(HtmlReportTest, AnUnwritablePathIsAnError) {
  EXPECT_THROW(write_report("/nonexistent/folder/report.html", {}), Error);
}

TEST(HtmlReportTest, ShowsInHeadlessChromium) {
  if (!Browser::is_installed()) GTEST_SKIP() << "chromium-headless-shell is not installed";
  const Browser browser;
  const std::string page = browser.file("report.html"), shot = browser.file("report.png");
  fs::remove(shot);
  write_report(page, testing::sample_report());
  const std::string dom = browser.open(page, "--dump-dom");
  EXPECT_THAT(dom, HasSubstr("pneumonia-28"));
  EXPECT_THAT(dom, HasSubstr("</svg>"));
  browser.open(page, "--window-size=1200,3600 --hide-scrollbars --screenshot=" + shot);
  const io::Image image = io::read_image(shot);
  ASSERT_GE(image.pixels.columns, 1200);
  // A page of text, plots and X-rays has hundreds of colours; a blank or broken one has a few.
  std::set<std::uint32_t> colours;
  const auto* p = image.pixels.frame_as<std::uint8_t>(0);
  for (std::int64_t i = 0; i + 2 < image.pixels.values_per_frame(); i += 3) {
    colours.insert(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
  }
  EXPECT_GT(colours.size(), 400u);
}

}  // namespace
}  // namespace salus::report
