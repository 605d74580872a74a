#include "engine/stream/event_rows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "engine/io/files.h"
#include "engine/stream/followed_input.h"
#include "engine/stream/statics_file.h"
#include "tests/engine/stream/stream_support.h"

namespace salus::stream {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kText =
    "stay_id,time,variable,value,unit\na,0.5,HR,80,\r\n\n\"b, "
    "\"\"2\"\"\",1e1,Temp,100.4,degF\na,0.75,HR,,\n";

std::string told(const PoolEvent& row) {
  return fmt::format("{}|{}|{}|{}|{}", row.stay, row.event.time, row.event.variable,
                     row.event.value, row.event.unit);
}

const EventRows::Malformed kNone = [](std::int64_t, const std::string& what) { FAIL() << what; };

TEST(EventRows, AreTheSameInPiecesOfAnySize) {
  const std::string text = kText;
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EventRows rows("rows.csv");
    std::vector<std::string> all;
    for (std::size_t begin = 0; begin < text.size(); begin += piece) {
      for (const auto& row : rows.read(text.substr(begin, piece), kNone)) all.push_back(told(row));
    }
    EXPECT_THAT(all, ElementsAre("a|0.5|HR|80|", "b, \"2\"|10|Temp|100.4|degF", "a|0.75|HR|nan|"));
    EXPECT_EQ(rows.position(), std::ssize(text));
  }
}

TEST(EventRows, ALastLineWithoutEndCountsOnlyWhenTheSourceHasEnded) {
  EventRows rows("-");
  EXPECT_THAT(rows.read("time,value,stay_id,variable,more\n1,2,a,HR,x\n3,4,a", kNone), SizeIs(1));
  EXPECT_EQ(rows.position(), 44);
  EXPECT_THAT(rows.read(",HR,y", kNone), SizeIs(0));
  const auto& last = rows.finish(kNone);
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(told(last[0]), "a|3|HR|4|");
}

TEST(EventRows, MalformedOnesAreNamedByLineAndLeftOut) {
  EventRows rows("rows.csv");
  std::vector<std::string> what;
  const auto note = [&](std::int64_t, const std::string& text) { what.push_back(text); };
  const auto& good = rows.read(
      "stay_id,time,variable,value\na,soon,HR,1\na,1,HR,many\n,1,HR,1\na,1,HR\na,1,,5\n\"a,1,HR,1\n"
      "a,inf,HR,1\na,1,HR,1\n" +
          std::string(300, 'x') + ",1,HR,1\n",
      note);
  EXPECT_THAT(good, SizeIs(1));
  ASSERT_THAT(what, SizeIs(8));
  EXPECT_THAT(what[0], HasSubstr("rows.csv line 2: time \"soon\" is not a number"));
  EXPECT_THAT(what[1], HasSubstr("line 3: value \"many\""));
  EXPECT_THAT(what[2], HasSubstr("line 4: it names no stay"));
  EXPECT_THAT(what[3], HasSubstr("line 5: 3 cells instead of 4"));
  EXPECT_THAT(what[4], HasSubstr("line 6: there is a value without a variable"));
  EXPECT_THAT(what[5], HasSubstr("line 7: a quotation mark"));
  EXPECT_THAT(what[6], HasSubstr("line 8: time \"inf\""));
  EXPECT_THAT(what[7], HasSubstr("line 10: stay_id has more than 256"));
}

TEST(EventRows, ARowWithoutVariableOnlySaysHowLateItIs) {
  EventRows rows("-");
  const auto& both = rows.read("stay_id,time,variable,value\na,2.5,,\na,,,\n", kNone);
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_EQ(both[0].event.time, 2.5);
  EXPECT_TRUE(std::isnan(both[1].event.time));
  StreamPool pool(small_model());
  std::vector<std::int32_t> bins;
  for (const auto& row : both) {
    pool.push({&row, 1}, 0, [&](std::string_view, const Risk& risk) { bins.push_back(risk.bin); });
  }
  EXPECT_THAT(bins, ElementsAre(5, 5));
}

TEST(EventRows, AreLeftOutUpToAPositionThatWasReadBefore) {
  const std::string text = kText;
  EventRows first("-"), second("-");
  const auto half = text.find('\n', text.find("HR,80")) + 1;
  first.read(text.substr(0, half), kNone);
  second.skip_to(first.position());
  const auto& rest = second.read(text, kNone);
  ASSERT_THAT(rest, SizeIs(2));
  EXPECT_EQ(rest[1].event.time, 0.75);
}

TEST(EventRows, RefuseASourceThatIsNoTable) {
  EventRows rows("x.csv"), endless("y.csv");
  SALUS_EXPECT_ERROR(rows.read("id,time\n", kNone), HasSubstr("x.csv line 1 is not the header"));
  SALUS_EXPECT_ERROR(endless.read(std::string(1 << 17, 'x'), kNone), HasSubstr("more than 65536"));
}

TEST(FollowedInput, GivesWhatAFileGrowsBy) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("rows.csv");
  const auto append = [&](const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "a");
    std::fputs(text.c_str(), file);
    std::fclose(file);
  };
  append("one");
  std::array<int, 2> stop{};
  ASSERT_EQ(::pipe(stop.data()), 0);
  const io::Descriptor wakes(stop[0]), wake(stop[1]);
  FollowedInput input(path, wakes.get());
  std::string_view bytes;
  EXPECT_EQ(input.read(bytes, 0), FollowedInput::State::kMore);
  EXPECT_EQ(bytes, "one");
  EXPECT_EQ(input.read(bytes, 0), FollowedInput::State::kWait);
  EXPECT_EQ(bytes, "");
  append("two");
  EXPECT_EQ(input.read(bytes, 0), FollowedInput::State::kMore);
  EXPECT_EQ(bytes, "two");
  ASSERT_EQ(::write(wake.get(), "x", 1), 1);
  EXPECT_EQ(input.read(bytes, 10000), FollowedInput::State::kEnd);
}

TEST(FollowedInput, RefusesAFileThatShrinksOrIsNotThere) {
  const test::TemporaryFolder folder;
  io::write_text(folder.path("rows.csv"), "something");
  FollowedInput input(folder.path("rows.csv"));
  std::string_view bytes;
  input.read(bytes, 0);
  std::filesystem::resize_file(folder.path("rows.csv"), 3);
  SALUS_EXPECT_ERROR(input.read(bytes, 0), HasSubstr("has become shorter"));
  SALUS_EXPECT_ERROR(FollowedInput(folder.path("nowhere")), HasSubstr("nowhere"));
  SALUS_EXPECT_ERROR(FollowedInput(folder.path()), HasSubstr("folder"));
}

TEST(StaticsFile, IsReadAgainForAStayThatItDidNotKnow) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path("statics.csv");
  io::write_text(path, "stay_id,Age\na,75\n");
  StaticsFile statics(path, small_model());
  EXPECT_THAT(statics.find("a"), ElementsAre(1, 0));
  EXPECT_THAT(statics.find("b"), SizeIs(0));
  io::write_text(path, "stay_id,Age\na,75\nb,45\nc,\n");
  EXPECT_THAT(statics.find("b"), ElementsAre(-1, 0));
  EXPECT_THAT(statics.find("c"), ElementsAre(0, 1));
  io::write_text(path, "stay_id,Age\na,75\na,75\n");
  SALUS_EXPECT_ERROR(statics.find("d"), HasSubstr("second row"));
  EXPECT_THAT(statics.find("b"), ElementsAre(-1, 0)) << "what was known stays known";
}

}  // namespace
}  // namespace salus::stream
