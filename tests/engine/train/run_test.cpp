#include "engine/train/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "engine/infer/session.h"
#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "engine/io/files.h"
#include "engine/io/npy.h"
#include "engine/train/out_of_fold.h"
#include "engine/train/parts.h"
#include "tests/engine/train/train_fixture.h"

namespace salus::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kCases = 48;

/// 48 images of 24 patients as NPY files, a manifest and a configuration, in a folder of their own.
class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    std::mt19937 random(5);
    std::string csv = "file,label,patient_id,view,split\n";
    for (int i = 0; i < kCases; ++i) {
      const int patient = i / 2, label = patient % 2;
      std::vector<std::byte> pixels(64);
      for (auto& pixel : pixels) pixel = std::byte(random() % 100 + 60 * label);
      io::write_npy(folder.file("case" + std::to_string(i) + ".npy"), "|u1", {8, 8}, pixels);
      const char* part = patient < 12 ? "train" : patient < 18 ? "valid" : "test";
      csv += "case" + std::to_string(i) + ".npy," + std::to_string(label) + ",SECRET" +
             std::to_string(patient) + "," + (i % 2 ? "AP" : "PA") + "," + part + "\n";
    }
    io::write_text(folder.file("labels.csv"), csv);
    write_config("");
    registry.add({"tiny", "for tests", {}, [](const ModelSpec& spec) {
                    return std::make_shared<TinyModel>(spec.outputs);
                  }});
  }

  void write_config(const std::string& more, const std::string& data = "") {
    io::write_text(folder.file("train.toml"), R"(
[task]
kind = "binary"
labels = ["bright"]
[data]
manifest = "labels.csv"
label = "label"
subgroups = ["view"]
)" + data + R"(
[transform]
size = [8, 8]
[model]
name = "tiny"
[train]
epochs = 3
batch_size = 8
precision = "fp32"
[train.ema]
decay = 0.9
[evaluate]
operating_points = ["youden", "sensitivity>=0.9"]
)" + more);
  }

  RunResult run(RunOptions options = {}, const std::vector<std::string>& overrides = {}) {
    options.config_path = folder.file("train.toml");
    if (options.out_dir.empty()) options.out_dir = folder.file("out");
    options.say = [this](const std::string& line) { said += line + "\n"; };
    Config config = Config::parse_file(options.config_path);
    for (const auto& text : overrides) {
      const auto equals = text.find('=');
      config.override_with(text.substr(0, equals), text.substr(equals + 1));
    }
    return train_run(config, registry, options);
  }

  std::string refusal(RunOptions options = {}, const std::vector<std::string>& overrides = {}) {
    try {
      run(std::move(options), overrides);
    } catch (const Error& error) {
      return error.what();
    }
    return "(nothing thrown)";
  }

  TemporaryFolder folder;
  Registry registry;
  std::string said;
};

TEST_F(RunTest, WritesEverythingThatTellsOfTheRun) {
  const auto result = run();
  ASSERT_TRUE(result.finished);
  EXPECT_EQ(result.bundle, folder.file("out/bundle"));
  EXPECT_EQ(result.monitor, "auroc");
  EXPECT_EQ(result.weights_hash.size(), 64u);
  for (const char* file :
       {"config.toml", "environment.json", "log.csv", "log.jsonl", "checkpoints/last.safetensors",
        "bundle/bundle.toml", "bundle/model.safetensors", "bundle/metrics.json",
        "bundle/MODEL_CARD.md"}) {
    EXPECT_TRUE(fs::exists(folder.file("out/") + file)) << file;
  }
  const auto environment =
      nlohmann::json::parse(io::read_text(folder.file("out/environment.json")));
  EXPECT_EQ(environment.at("data_sha256").get<std::string>().size(), 64u);
  const auto metrics = nlohmann::json::parse(io::read_text(folder.file("out/bundle/metrics.json")));
  EXPECT_TRUE(metrics.at("validation").contains("overall"));
}

TEST_F(RunTest, StartsFromGivenWeightsAndSaysWhatWasNew) {
  TinyModel source(3);
  infer::Weights weights = infer::state_dict(source);
  weights["conv1.weight"] = at::randn({6, 3, 3, 3});
  save_weights(weights, folder.file("start.safetensors"));
  run({}, {"train.init_weights=" + folder.file("start.safetensors"), "train.epochs=1",
           "train.optimizer.lr=1e-12", "train.ema.decay=0"});
  EXPECT_THAT(said, AllOf(HasSubstr("3 to 1 input channels"), HasSubstr("fc.weight keeps")));
  const auto trained = infer::load_bundle(folder.file("out/bundle")).weights.at("conv1.weight");
  EXPECT_TRUE(at::allclose(trained, weights["conv1.weight"].sum(1, true), 0, 1e-4));
}

TEST_F(RunTest, ImagesThatTheBundleWouldRefuseStopTheRunBeforeItTrains) {
  EXPECT_THAT(refusal({}, {"accept.bits=[12, 16]"}),
              AllOf(HasSubstr("do not fit [accept]"), HasSubstr("case"), HasSubstr("12 stored")));
  EXPECT_FALSE(fs::exists(folder.file("out/log.csv")));
  EXPECT_TRUE(run({}, {"accept.bits=[12, 16]", "accept.refuse=false"}).finished);
}

TEST_F(RunTest, BundleScoresAndDecides) {
  const auto result = run();
  const auto session = infer::Session::load(result.bundle, registry);
  const auto image = io::read_image(folder.file("case0.npy"));
  const auto prediction = session.predict({image}, {"case0.npy"}).at(0);
  EXPECT_GE(prediction.probabilities.at(0), 0);
  EXPECT_LE(prediction.probabilities.at(0), 1);
  EXPECT_EQ(session.bundle().operating_points.at(0).name, "youden");
}

TEST_F(RunTest, NoOutputHoldsAPatientId) {
  write_config("", "[data.split]\nfolds = 3\nfold = 1\nvalid = 0.3\n");
  run();
  ASSERT_TRUE(fs::exists(folder.file("out/predictions.csv")));
  EXPECT_THAT(said, ::testing::Not(HasSubstr("SECRET")));
  for (const auto& entry : fs::recursive_directory_iterator(folder.file("out"))) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(io::read_text(entry.path()), ::testing::Not(HasSubstr("SECRET"))) << entry.path();
  }
}

TEST_F(RunTest, ResolvedConfigurationMakesTheSameRunAgain) {
  const auto first = run();
  fs::copy_file(folder.file("out/config.toml"), folder.file("again.toml"));
  RunOptions options;
  options.config_path = folder.file("again.toml");
  options.out_dir = folder.file("second");
  options.say = [](const std::string&) {};
  Config config = Config::parse_file(options.config_path);
  EXPECT_EQ(train_run(config, registry, options).weights_hash, first.weights_hash);
}

TEST_F(RunTest, StoppedRunGoesOnToTheSameWeights) {
  const auto straight = run();
  RunOptions options;
  options.out_dir = folder.file("stopped");
  options.stop = [](std::int64_t step) { return step == 5; };
  const auto stopped = run(options);
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.bundle, "");
  options.stop = {};
  options.resume = true;
  const auto resumed = run(options);
  EXPECT_TRUE(resumed.finished);
  EXPECT_EQ(resumed.weights_hash, straight.weights_hash);
  EXPECT_THAT(refusal(options, {"train.optimizer.lr=0.5"}),
              AllOf(HasSubstr("another configuration"), HasSubstr("0.5")));
}

TEST_F(RunTest, DoesNotOverwriteARun) {
  run();
  EXPECT_THAT(refusal(), HasSubstr("already holds a run"));
}

TEST_F(RunTest, FastDevRunGoesThroughEverythingAndMayBeRepeated) {
  RunOptions options;
  options.fast_dev_run = true;
  EXPECT_TRUE(run(options).finished);
  EXPECT_TRUE(fs::exists(run(options).bundle + "/bundle.toml"));
  EXPECT_TRUE(run().finished);  // a real run may take the folder over
}

TEST_F(RunTest, RefusesUnknownKeysBeforeAnythingIsWritten) {
  EXPECT_THAT(refusal({}, {"train.epoch=3"}), HasSubstr("\"epochs\""));
  EXPECT_THAT(refusal({}, {"dta.root=x"}), HasSubstr("\"data\""));
  EXPECT_FALSE(fs::exists(folder.file("out")));
}

TEST_F(RunTest, RefusesAPatientOnBothSides) {
  write_config("", "[data.split]\ncolumn = \"split\"\n");
  EXPECT_TRUE(run().finished);
  std::string csv = io::read_text(folder.file("labels.csv"));
  csv.replace(csv.find("PA,train"), 8, "PA,valid");  // one of the two images of patient 0
  io::write_text(folder.file("labels.csv"), csv);
  RunOptions options;
  options.out_dir = folder.file("leak");
  const auto message = refusal(options);
  EXPECT_THAT(message, AllOf(HasSubstr("both sides"), ::testing::Not(HasSubstr("SECRET"))));
  EXPECT_FALSE(fs::exists(folder.file("leak")));
}

TEST_F(RunTest, WarnsOfEqualPixelsInTwoParts) {
  write_config("", "[data.split]\ncolumn = \"split\"\n");
  fs::copy_file(folder.file("case0.npy"), folder.file("case30.npy"),
                fs::copy_options::overwrite_existing);
  run();
  EXPECT_THAT(said, AllOf(HasSubstr("same contents"), HasSubstr("validation part")));
}

TEST_F(RunTest, RefusesASplitColumnWithOtherWords) {
  write_config("", "[data.split]\ncolumn = \"view\"\n");
  EXPECT_THAT(refusal(), HasSubstr("train, valid or test"));
}

TEST_F(RunTest, FoldsArePooledIntoOnePredictionOfEveryCase) {
  write_config("", "[data.split]\nfolds = 3\nvalid = 0.3\n");
  std::vector<std::string> files;
  for (int fold = 0; fold < 3; ++fold) {
    RunOptions options;
    options.out_dir = folder.file("fold" + std::to_string(fold));
    run(options, {"data.split.fold=" + std::to_string(fold), "train.epochs=1"});
    files.push_back(options.out_dir + "/predictions.csv");
  }
  const auto pooled = pool_folds(files, binary_task());
  EXPECT_EQ(pooled.ids.size(), static_cast<std::size_t>(kCases));
  EXPECT_EQ(pooled.subgroups.at("view").size(), static_cast<std::size_t>(kCases));
  EXPECT_EQ(std::set<std::string>(pooled.patients.begin(), pooled.patients.end()).size(),
            kCases / 2u);
  evaluate::EvaluationOptions few;
  few.resampling.replicates = 50;
  const auto evaluation = evaluate::evaluate(pooled, few);
  EXPECT_EQ(evaluation.n, static_cast<std::size_t>(kCases));

  EXPECT_THROW(pool_folds({files[0], files[0]}, binary_task()), Error);
  EXPECT_THROW(pool_folds({files[0]}, {TaskKind::kBinary, {"other"}}), Error);
  EXPECT_THROW(pool_folds({folder.file("labels.csv")}, binary_task()), Error);
}

TEST_F(RunTest, DataRootIsRelativeToTheConfiguration) {
  fs::create_directories(folder.file("sub"));
  fs::rename(folder.file("train.toml"), folder.file("sub/train.toml"));
  RunOptions options;
  options.config_path = folder.file("sub/train.toml");
  options.out_dir = folder.file("out");
  options.fast_dev_run = true;
  options.say = [](const std::string&) {};
  Config config = Config::parse_file(options.config_path);
  EXPECT_THROW(train_run(config, registry, options), Error);
  std::string text = io::read_text(options.config_path);
  text.replace(text.find("[data]\n"), 7, "[data]\nroot = \"..\"\n");
  io::write_text(options.config_path, text);
  config = Config::parse_file(options.config_path);
  EXPECT_TRUE(train_run(config, registry, options).finished);
}

TEST_F(RunTest, NamesFilesThatAreMissingBeforeAFolderIsMade) {
  const auto remove = [&](int i) { fs::remove(folder.file("case" + std::to_string(i) + ".npy")); };
  for (int i = 0; i < 22; ++i) remove(i);
  remove(30);  // of the validation part
  remove(40);  // of the test part, whose pixels are compared with the others
  EXPECT_THAT(refusal({}, {"data.split.column=split"}),
              AllOf(HasSubstr("The files of 24 of 48 cases are missing."),
                    HasSubstr(folder.file("case0.npy") + " does not exist."),
                    HasSubstr("case19.npy"), HasSubstr("and 4 more.")));
  EXPECT_FALSE(fs::exists(folder.file("out")));
}

TEST_F(RunTest, RefusesAPartWithoutAnyLabelBeforeAFolderIsMade) {
  const auto forget = [&](const std::string& part) {
    std::istringstream lines(io::read_text(folder.file("labels.csv")));
    std::string csv;
    for (std::string line; std::getline(lines, line);) {
      const auto label = line.find(',') + 1;
      if (line.ends_with("," + part)) line.erase(label, 1);
      csv += line + "\n";
    }
    io::write_text(folder.file("labels.csv"), csv);
  };
  forget("test");
  forget("valid");
  EXPECT_THAT(refusal({}, {"data.split.column=split"}),
              AllOf(HasSubstr("no case of the validation part has a label"),
                    HasSubstr("labels.csv (\"label\")")));
  forget("train");
  EXPECT_THAT(refusal({}, {"data.split.column=split"}),
              HasSubstr("no case of the training part has a label"));
  EXPECT_FALSE(fs::exists(folder.file("out")));
}

TEST_F(RunTest, RefusesTasksAndTablesThatDoNotFit) {
  EXPECT_THAT(refusal({}, {"task.labels=[\"a\", \"b\"]"}), HasSubstr("positive finding"));
  EXPECT_THAT(refusal({}, {"evaluate.calibration=sigmoid"}), HasSubstr("one of none, temperature"));
  EXPECT_THAT(refusal({}, {"accept.samples=2"}), HasSubstr("must be 1"));
  EXPECT_THAT(refusal({}, {"model.name=tinny"}), HasSubstr("tiny"));
}

TEST(PneumoniaRunTest, TakesTheNpzPartsAsTheyAre) {
  const TemporaryFolder folder;
  const std::string npz = fs::absolute("tests/data/pneumoniamnist").string();
  Config config = Config::parse(R"(
[task]
kind = "binary"
labels = ["pneumonia"]
[data]
npz = "pneumoniamnist.npz"
root = ")" + npz + R"("
[transform]
size = [28, 28]
mean = 0.5
std = 0.25
[model]
name = "tiny"
[train]
epochs = 1
batch_size = 256
)",
                                "train.toml");
  Registry registry;
  registry.add(
      {"tiny", "for tests", {}, [](const ModelSpec&) { return std::make_shared<TinyModel>(); }});
  RunOptions options;
  options.out_dir = folder.file("out");
  options.say = [](const std::string&) {};
  const auto result = train_run(config, registry, options);
  EXPECT_TRUE(result.finished);
  const auto card = io::read_text(result.bundle + "/MODEL_CARD.md");
  EXPECT_THAT(card, AllOf(HasSubstr("| training | 4708 |"), HasSubstr("| validation | 524 |")));
}

}  // namespace
}  // namespace salus::train
