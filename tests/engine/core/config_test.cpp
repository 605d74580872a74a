#include "engine/core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/error.h"

namespace salus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kText[] = R"(
name = "run"
[train]
epochs = 12
lr = 1
flags = [true, 2]
ema = true
[train.optimizer]
name = "adamw"
betas = [0.9, 0.999]
[[member]]
weight = 0.25
[[member]]
weight = 0.75
)";

Config sample() { return Config::parse(kText, "run.toml"); }

template <typename F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

TEST(ConfigTest, ReadsEveryType) {
  const Config config = sample();
  EXPECT_EQ(config.get_string("name"), "run");
  EXPECT_EQ(config.get_int("train.epochs"), 12);
  const Config train = config.table("train");
  EXPECT_EQ(train.get_double("lr"), 1.0);
  EXPECT_TRUE(train.get_bool("ema", false));
  EXPECT_THAT(train.table("optimizer").get_doubles("betas"), ElementsAre(0.9, 0.999));
  EXPECT_EQ(train.get_int("absent", 7), 7);
}

TEST(ConfigTest, ReadsArraysOfTables) {
  const auto members = sample().tables("member");
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[1].get_double("weight"), 0.75);
  EXPECT_TRUE(sample().tables("absent").empty());
  EXPECT_THROW(sample().tables("train"), UsageError);
}

TEST(ConfigTest, SingleValueReadsAsListOfOne) {
  const Config config = Config::parse("std = 0.5\nlabel = \"a\"", "x.toml");
  EXPECT_THAT(config.get_doubles("std"), ElementsAre(0.5));
  EXPECT_THAT(config.get_strings("label"), ElementsAre("a"));
}

TEST(ConfigTest, TellsStringsNumbersAndListsApart) {
  const Config config = Config::parse("a = \"x\"\nb = 1\nc = [1]\n", "x.toml");
  EXPECT_TRUE(config.is_string("a"));
  EXPECT_TRUE(config.is_number("b"));
  EXPECT_TRUE(config.is_list("c"));
  EXPECT_FALSE(config.is_string("absent"));
  EXPECT_FALSE(config.is_list("a"));
}

TEST(ConfigTest, WrongTypeNamesFileLineKeyAndExpectation) {
  const Config train = sample().table("train");
  const std::string what = message_of([&] { train.get_int("lr2", 0), train.get_string("epochs"); });
  EXPECT_THAT(what, HasSubstr("run.toml:4: [train] epochs"));
  EXPECT_THAT(what, HasSubstr("a string, not 12"));
  EXPECT_THROW(train.get_doubles("flags"), UsageError);
  EXPECT_THROW(train.get_int("optimizer"), UsageError);
  EXPECT_THROW(train.table("epochs"), UsageError);
}

TEST(ConfigTest, MissingKeyIsNamed) {
  const Config config = sample();
  EXPECT_THAT(message_of([&] { config.get_int("train.seed"); }),
              HasSubstr("run.toml: [train] seed is missing"));
  EXPECT_THROW(config.get_strings("labels"), UsageError);
}

TEST(ConfigTest, UnknownKeyNamesTheNearestKnownOne) {
  const Config config = Config::parse("[train]\nepoch = 3\n", "run.toml");
  config.get_int("train.epochs", 10);
  config.get_int("train.seed", 0);
  EXPECT_THAT(message_of([&] { config.reject_unknown(); }),
              AllOf(HasSubstr("run.toml:2: [train] epoch"), HasSubstr("did you mean \"epochs\"")));
}

TEST(ConfigTest, UnknownTableAndUnknownKeyOfArrayTableAreRefused) {
  const Config whole = Config::parse("[trian]\nx = 1\n", "run.toml");
  whole.table("train");
  EXPECT_THAT(message_of([&] { whole.reject_unknown(); }), HasSubstr("did you mean \"train\""));

  const Config config = Config::parse("[[m]]\na = 1\n[[m]]\na = 1\nqqq = 2\n", "run.toml");
  for (const Config& m : config.tables("m")) m.get_int("a");
  const std::string what = message_of([&] { config.reject_unknown(); });
  EXPECT_THAT(what, AllOf(HasSubstr("run.toml:5"), HasSubstr("qqq"), Not(HasSubstr("mean"))));
}

TEST(ConfigTest, KnownKeysPass) {
  const Config config = Config::parse("a = 1\n[t]\nb = 2\n", "run.toml");
  config.get_int("a");
  config.table("t").get_int("b");
  EXPECT_NO_THROW(config.reject_unknown());
}

TEST(ConfigTest, OverridesReplaceAddAndCoerce) {
  Config config = sample();
  config.override_with("train.epochs", "3");
  config.override_with("train.optimizer.name", "sgd");
  config.override_with("data.split.valid", "0.2");
  config.override_with("transform.size", "[28, 28]");
  config.override_with("data.root", "some/dir");
  EXPECT_EQ(config.get_int("train.epochs"), 3);
  EXPECT_EQ(config.get_string("train.optimizer.name"), "sgd");
  EXPECT_EQ(config.table("data").table("split").get_double("valid"), 0.2);
  EXPECT_THAT(config.get_doubles("transform.size"), ElementsAre(28, 28));
  EXPECT_EQ(config.get_string("data.root"), "some/dir");
  EXPECT_THAT(config.where("train.epochs"), HasSubstr("command line"));
}

TEST(ConfigTest, OverrideReplacesATableByATable) {
  Config config = sample();
  config.override_with("train.optimizer", "{lr = 2.0}");
  EXPECT_EQ(config.get_double("train.optimizer.lr"), 2.0);
  EXPECT_EQ(config.get_string("train.optimizer.name"), "adamw");
}

TEST(ConfigTest, OverrideThatLooksLikeSeveralKeysIsOneString) {
  Config config = sample();
  config.override_with("name", "1\nevil = 2");
  EXPECT_EQ(config.get_string("name"), "1\nevil = 2");
  config.override_with("name", "2024-01-01");
  EXPECT_EQ(config.get_string("name"), "2024-01-01");
}

TEST(ConfigTest, OverrideRefusesBadKeys) {
  Config config = sample();
  EXPECT_THROW(config.override_with("", "1"), UsageError);
  EXPECT_THROW(config.override_with("train.", "1"), UsageError);
  EXPECT_THROW(config.override_with("train..x", "1"), UsageError);
  EXPECT_THROW(config.override_with("name.x", "1"), UsageError);
}

TEST(ConfigTest, OverriddenUnknownKeyIsRefused) {
  Config config = Config::parse("", "run.toml");
  config.override_with("train.epoch", "3");
  config.get_int("train.epochs", 1);
  EXPECT_THAT(message_of([&] { config.reject_unknown(); }),
              AllOf(HasSubstr("command line: [train] epoch"), HasSubstr("\"epochs\"")));
}

TEST(ConfigTest, ResolvedTomlHoldsDefaultsAndReadsBackTheSame) {
  Config config = sample();
  config.get_int("train.seed", 42);
  config.table("augment").get_double("rotate", 0.1);
  config.get_strings("task.labels", {"a", "b"});
  const std::string text = config.to_toml();
  const Config again = Config::parse(text, "resolved.toml");
  EXPECT_EQ(again.get_int("train.seed"), 42);
  EXPECT_EQ(again.get_double("augment.rotate"), 0.1);
  EXPECT_THAT(again.get_strings("task.labels"), ElementsAre("a", "b"));
  EXPECT_EQ(again.tables("member").size(), 2u);
  EXPECT_EQ(again.to_toml(), text);
}

TEST(ConfigTest, DefaultsDoNotCountAsGiven) {
  const Config config = sample();
  config.get_int("train.seed", 42);
  EXPECT_FALSE(config.has("train.seed"));
  EXPECT_TRUE(config.has("train.epochs"));
  EXPECT_THAT(config.table("train").table("optimizer").keys(), ElementsAre("betas", "name"));
}

TEST(ConfigTest, ChoiceListsTheChoices) {
  const Config config = Config::parse("kind = \"cosin\"", "run.toml");
  EXPECT_THAT(message_of([&] { config.get_choice("kind", {"cosine", "step"}, "step"); }),
              AllOf(HasSubstr("run.toml:1: kind"), HasSubstr("cosine, step"),
                    HasSubstr("did you mean \"cosine\"")));
  EXPECT_EQ(config.get_choice("other", {"cosine", "step"}, "step"), "step");
}

TEST(ConfigTest, NumbersOfATableAreTakenWhole) {
  const Config config =
      Config::parse("name = \"x\"\nwidth = 32\ndrop = 0.1\nse = true", "run.toml");
  const auto numbers = config.get_numbers();
  EXPECT_EQ(numbers.size(), 3u);
  EXPECT_EQ(numbers.at("width"), 32);
  EXPECT_EQ(numbers.at("se"), 1);
  EXPECT_THROW(config.reject_unknown(), UsageError);  // name was not asked for
}

TEST(ConfigTest, BadTomlNamesTheLine) {
  EXPECT_THAT(message_of([] { Config::parse("a = 1\nb = = 2\n", "run.toml"); }),
              HasSubstr("run.toml:2"));
}

TEST(ConfigTest, MissingFileIsAnError) {
  EXPECT_THROW(Config::parse_file("no/such/file.toml"), Error);
}

TEST(NearestTest, FindsCloseWordsOnly) {
  EXPECT_EQ(nearest("epoch", {"epochs", "seed"}), "epochs");
  EXPECT_EQ(nearest("zzz", {"lr", "seed"}), "");
  EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace salus
