// Bundles on disk, and what an image must be to be scored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/files.h"
#include "engine/io/image.h"
#include "tests/engine/infer/bundle_support.h"

namespace salus::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace fs = std::filesystem;

class BundleTest : public ::testing::Test {
 protected:
  /// As a person does: the checksum of the file itself is taken out.
  void edit_toml(const std::string& from, const std::string& to) {
    std::string text = toml();
    text = text.substr(0, text.find(kSeal));
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " is not in\n" << text;
    write_toml(text.replace(at, from.size(), to));
  }
  std::string toml() { return io::read_text(path_ + "/bundle.toml"); }
  void write_toml(const std::string& text) { io::write_text(path_ + "/bundle.toml", text); }
  std::string load_error() {
    return message_of([&] { infer::load_bundle(path_); });
  }

  static constexpr const char* kSeal = "# SHA-256 of all above";
  TemporaryFolder folder_;
  std::string path_ = folder_ / "ct-bundle";
};

TEST_F(BundleTest, LoadsWhatItSaved) {
  infer::Bundle saved = ct_bundle("bfloat16");
  saved.name = "a \"quoted\" \\ name\n\x01";
  saved.accepts.views = {"PA", "AP"};
  saved.accepts.min_bits = 8;
  saved.accepts.max_bits = 16;
  saved.accepts.refuse = false;
  saved.operating_points[0].threshold = 0.1 + 0.2;
  infer::save_bundle(saved, path_);
  const infer::Bundle loaded = infer::load_bundle(path_);
  EXPECT_EQ(loaded.name, saved.name);
  EXPECT_EQ(loaded.task.kind, TaskKind::kBinary);
  EXPECT_EQ(loaded.task.labels, saved.task.labels);
  EXPECT_EQ(loaded.model.name, "resnet18");
  EXPECT_EQ(loaded.model.channels, 1);
  EXPECT_EQ(loaded.model.height, 32);
  EXPECT_EQ(loaded.model.width, 32);
  EXPECT_EQ(loaded.model.outputs, 1);
  EXPECT_EQ(loaded.model.options, saved.model.options);
  EXPECT_EQ(loaded.accepts.modalities, saved.accepts.modalities);
  EXPECT_EQ(loaded.accepts.views, saved.accepts.views);
  EXPECT_EQ(loaded.accepts.samples, 1);
  EXPECT_EQ(loaded.accepts.min_bits, 8);
  EXPECT_EQ(loaded.accepts.max_bits, 16);
  EXPECT_EQ(loaded.accepts.unit, "HU");
  EXPECT_FALSE(loaded.accepts.refuse);
  ASSERT_EQ(loaded.operating_points.size(), 2u);
  EXPECT_EQ(loaded.operating_points[0].threshold, 0.1 + 0.2);
  EXPECT_EQ(loaded.operating_points[1].name, "sensitivity>=0.95");
  EXPECT_EQ(loaded.micro_batch, 4);
  EXPECT_EQ(loaded.compute_dtype, "bfloat16");
  EXPECT_EQ(loaded.metrics_json, saved.metrics_json);
  EXPECT_EQ(loaded.model_card, saved.model_card);
  EXPECT_EQ(loaded.transform().spec().mean[0], 0.5);
  EXPECT_EQ(loaded.transform().spec().stddev[0], 0.25);
  ASSERT_EQ(loaded.weights.size(), saved.weights.size());
  for (const auto& [name, value] : saved.weights) {
    EXPECT_TRUE(torch::equal(loaded.weights.at(name), value)) << name;
  }
}

TEST_F(BundleTest, KeepsEveryKindOfCalibration) {
  using Kind = evaluate::Calibration::Kind;
  for (const Kind kind : {Kind::kNone, Kind::kTemperature, Kind::kPlatt, Kind::kIsotonic}) {
    infer::Bundle bundle = ct_bundle();
    bundle.calibration[0] = {kind, 1.25, 0.7, -0.3, {-1.5, 0, 2}, {0.1, 0.4, 0.9}};
    infer::save_bundle(bundle, path_);
    const auto loaded = infer::load_bundle(path_).calibration.at(0);
    for (const double logit : {-3.0, -0.2, 0.5, 4.0}) {
      EXPECT_EQ(loaded.apply(logit), bundle.calibration[0].apply(logit)) << to_string(kind);
    }
  }
}

TEST_F(BundleTest, KeepsTheEqualisationOfItsTransform) {
  const infer::Bundle plain = ct_bundle();
  infer::Bundle saved = ct_bundle();
  saved.transform_toml =
      "size = [32, 32]\nequalize = 'clahe'\nequalize_clip = 3\nequalize_tiles = [4, 2]\n";
  infer::save_bundle(saved, path_);
  const infer::Bundle loaded = infer::load_bundle(path_);
  for (const char* name : {"ID_0005_AGE_0048_CONTRAST_1", "ID_0029_AGE_0078_CONTRAST_1"}) {
    const io::Image image =
        io::read_image("tests/data/dicom/ct_contrast/" + std::string(name) + "_CT.dcm");
    const at::Tensor input = loaded.transform().apply(image, 0);
    EXPECT_TRUE(torch::equal(input, saved.transform().apply(image, 0)));
    EXPECT_FALSE(torch::equal(input, plain.transform().apply(image, 0)));
    EXPECT_GE(input.min().item<float>(), 0.0F);
    EXPECT_LE(input.max().item<float>(), 1.0F);
  }
  edit_toml("equalize_tiles", "equalize_tile");
  EXPECT_THAT(load_error(), HasSubstr("equalize_tiles"));
}

/// One variable, one GRU; its weights are not looked at.
infer::Bundle stay_bundle() {
  infer::Bundle bundle = ct_bundle();
  bundle.model = {};
  bundle.model.name = "gru";
  bundle.model.modality = Modality::kVitals;
  bundle.model.variables = 1;
  bundle.model.steps = 48;
  bundle.model.outputs = 1;
  bundle.transform_toml =
      "modality = 'vitals'\n[[variables.variable]]\nname = 'HR'\n"
      "[statistics]\nmean = [80]\nstddev = [20]\n";
  return bundle;
}

TEST_F(BundleTest, KeepsTheTimesOfItsAlarms) {
  infer::Bundle saved = stay_bundle();
  saved.alarms = {6, 48.5};
  infer::save_bundle(saved, path_);
  EXPECT_EQ(infer::load_bundle(path_).alarms, saved.alarms);
  saved.alarms = {0.1, std::numeric_limits<double>::infinity()};
  infer::save_bundle(saved, path_);
  EXPECT_EQ(infer::load_bundle(path_).alarms, saved.alarms);
  edit_toml("refractory = 0.1", "refractory = -0.1");
  EXPECT_THAT(load_error(), HasSubstr("refractory"));
}

TEST_F(BundleTest, KeepsTheClocksOfItsStatics) {
  infer::Bundle saved = stay_bundle();
  saved.model.statics = 2;
  saved.model.clocks = {{.column = 1, .scale = 0.1, .offset = -1.0 / 3}};
  saved.transform_toml =
      "modality = 'vitals'\n[[variables.variable]]\nname = 'HR'\n[[variables.static]]\nname = "
      "'Age'\n"
      "[[variables.static]]\nname = 'Admission'\nclock = true\n"
      "[statistics]\nmean = [80]\nstddev = [20]\nstatic_mean = [60, -1]\nstatic_stddev = [9, 2]\n";
  infer::save_bundle(saved, path_);
  const auto clocks = infer::load_bundle(path_).model.clocks;
  ASSERT_EQ(clocks.size(), 1U);
  EXPECT_EQ(clocks[0].column, 1);
  EXPECT_EQ(clocks[0].scale, 0.1);
  EXPECT_EQ(clocks[0].offset, -1.0 / 3);
  edit_toml("column = 1", "column = 2");
  EXPECT_THAT(load_error(), HasSubstr("column"));
}

TEST_F(BundleTest, ABundleWithoutTimesOfAlarmsHasTheDefaults) {
  infer::save_bundle(stay_bundle(), path_);
  EXPECT_THAT(io::read_text(path_ + "/bundle.toml"), Not(HasSubstr("[alarms]")));
  EXPECT_EQ(infer::load_bundle(path_).alarms, evaluate::AlarmTimes{});
}

TEST_F(BundleTest, StoresMatricesInBfloat16AndVectorsInFloat32) {
  infer::Bundle bundle = ct_bundle();
  infer::save_bundle(bundle, path_);
  const auto whole = fs::file_size(path_ + "/model.safetensors");
  bundle.weights_dtype = "bfloat16";
  infer::save_bundle(bundle, path_);
  EXPECT_LT(fs::file_size(path_ + "/model.safetensors"), 0.6 * static_cast<double>(whole));
  const auto loaded = infer::load_bundle(path_).weights;
  const auto expected = infer::rounded(bundle.weights, "bfloat16");
  for (const auto& [name, value] : expected) {
    EXPECT_TRUE(torch::equal(loaded.at(name), value)) << name;
  }
  EXPECT_TRUE(torch::equal(loaded.at("bn1.bias"), bundle.weights.at("bn1.bias")));
  EXPECT_FALSE(torch::equal(loaded.at("conv1.weight"), bundle.weights.at("conv1.weight")));
}

TEST_F(BundleTest, ReplacesABundleAndRefusesAnythingElse) {
  infer::save_bundle(ct_bundle(), path_);
  infer::Bundle second = ct_bundle();
  second.name = "second";
  infer::save_bundle(second, path_);
  EXPECT_EQ(infer::load_bundle(path_).name, "second");
  const std::string other = folder_ / "photos";
  fs::create_directory(other);
  io::write_text(other + "/holiday.txt", "sun");
  EXPECT_THAT(message_of([&] { infer::save_bundle(second, other); }), HasSubstr("is not a bundle"));
  EXPECT_EQ(io::read_text(other + "/holiday.txt"), "sun");
}

TEST_F(BundleTest, RefusesAChangedOrMissingFile) {
  for (const std::string name : {"model.safetensors", "metrics.json", "MODEL_CARD.md"}) {
    infer::save_bundle(ct_bundle(), path_);
    auto bytes = io::read_file(path_ + "/" + name);
    bytes.back() ^= std::byte{1};
    io::write_file(path_ + "/" + name, bytes);
    EXPECT_THAT(load_error(), AllOf(HasSubstr(name), HasSubstr("SHA-256"))) << name;
    fs::remove(path_ + "/" + name);
    EXPECT_THAT(load_error(), HasSubstr(name)) << name;
  }
  EXPECT_THAT(message_of([&] { infer::load_bundle(folder_ / "nothing"); }),
              HasSubstr("there is no bundle.toml"));
}

TEST_F(BundleTest, RefusesATomlThatIsNotAsItWasSaved) {
  infer::save_bundle(ct_bundle(), path_);
  const std::string saved = toml();
  const auto threshold = saved.find("threshold = 0.4"), seal = saved.find(kSeal);
  ASSERT_NE(threshold, std::string::npos);
  ASSERT_NE(seal, std::string::npos);
  std::string lower = saved, digest = saved, comment = saved;
  lower[threshold + 14] = '3';
  digest[saved.size() - 2] = digest[saved.size() - 2] == '0' ? '1' : '0';
  comment[0] = ' ';
  const auto shorter = saved.substr(0, threshold) + saved.substr(seal - 1);
  for (const auto& text : {lower, digest, comment, shorter, saved + "\n", saved + "[x]\n",
                           saved.substr(0, saved.size() - 1)}) {
    write_toml(text);
    EXPECT_THAT(load_error(),
                AllOf(HasSubstr("bundle.toml is not as it was saved"),
                      HasSubstr("Copy the bundle again"), HasSubstr("remove that line")));
  }
  write_toml(saved);
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(BundleTest, TakesATomlThatIsEditedByHandOrOlder) {
  infer::save_bundle(ct_bundle(), path_);
  EXPECT_THAT(toml(), HasSubstr("to edit this file by hand, remove this line"));
  edit_toml("threshold = 0.4", "threshold = 0.3");
  EXPECT_EQ(infer::load_bundle(path_).operating_points[0].threshold, 0.3);
  infer::save_bundle(infer::load_bundle(path_), path_);
  EXPECT_THAT(toml(), HasSubstr(kSeal));
  EXPECT_EQ(infer::load_bundle(path_).operating_points[0].threshold, 0.3);
}

TEST_F(BundleTest, RefusesAFutureFormatBeforeAnythingElse) {
  infer::save_bundle(ct_bundle(), path_);
  edit_toml("format = 1", "format = 2\nwhat_we_do_not_know = 1");
  EXPECT_THAT(load_error(), HasSubstr("bundle format 2"));
}

TEST_F(BundleTest, RefusesBrokenUnknownAndMissingKeys) {
  const std::vector<std::pair<std::pair<std::string, std::string>, std::string>> cases{
      {{"micro_batch = 4", "micro_bacth = 4"}, "micro_batch"},
      {{"[run]", "[run]\nspeed = 3"}, "speed"},
      {{"threshold = 0.4", "threshold = \"high\""}, "threshold"},
      {{"format = 1", "format = ["}, "bundle.toml"},
      {{"kind = \"binary\"", "kind = \"trinary\""}, "trinary"},
      {{"input = [1, 32, 32]", "input = [1, 32]"}, "channels, height, width"},
      {{"input = [1, 32, 32]", "input = [1, 32, 1e9]"}, "65536"},
      {{"min_bits = 0", "min_bits = 99"}, "min_bits"},
      {{"[run]", "[alarms]\nrefractory = 6\n[run]"}, "alarms"},
      {{"name = \"MODEL_CARD.md\"", "name = \"../MODEL_CARD.md\""}, "plain file name"},
  };
  for (const auto& [edit, expected] : cases) {
    infer::save_bundle(ct_bundle(), path_);
    edit_toml(edit.first, edit.second);
    EXPECT_THAT(load_error(), HasSubstr(expected)) << edit.second;
    EXPECT_THROW(infer::load_bundle(path_), Error);
  }
}

TEST_F(BundleTest, RefusesAFileWithoutChecksum) {
  infer::save_bundle(ct_bundle(), path_);
  edit_toml("name = \"metrics.json\"", "name = \"bundle.toml\"");
  EXPECT_THAT(load_error(), HasSubstr("SHA-256"));
}

TEST_F(BundleTest, RefusesPartsThatContradictEachOther) {
  const auto error = [&](auto change) {
    infer::Bundle bundle = ct_bundle();
    change(bundle);
    return message_of([&] { infer::save_bundle(bundle, path_); });
  };
  using infer::Bundle;
  EXPECT_THAT(error([](Bundle& b) { b.task.labels = {}; }), HasSubstr("no labels"));
  EXPECT_THAT(error([](Bundle& b) { b.task.labels = {"a", "b"}; }), HasSubstr("one label"));
  EXPECT_THAT(error([](Bundle& b) { b.task = {TaskKind::kMultilabel, {"a", "a"}}; }),
              HasSubstr("same name"));
  EXPECT_THAT(error([](Bundle& b) { b.task = {TaskKind::kMulticlass, {"a"}}; }),
              HasSubstr("at least two"));
  EXPECT_THAT(error([](Bundle& b) { b.model.outputs = 3; }), HasSubstr("3 outputs"));
  EXPECT_THAT(error([](Bundle& b) { b.model.height = 33; }), HasSubstr("1 x 32 x 32"));
  EXPECT_THAT(error([](Bundle& b) { b.micro_batch = 0; }), HasSubstr("micro_batch"));
  EXPECT_THAT(error([](Bundle& b) { b.compute_dtype = "int8"; }), HasSubstr("int8"));
  EXPECT_THAT(error([](Bundle& b) { b.operating_points[0].label = "x"; }), HasSubstr("'x'"));
  EXPECT_THAT(error([](Bundle& b) { b.operating_points[0].threshold = NAN; }),
              HasSubstr("not a number"));
  EXPECT_THAT(error([](Bundle& b) { b.alarms.refractory = -1; }), HasSubstr("refractory"));
  EXPECT_THAT(error([](Bundle& b) { b.alarms.longest_lead = 0; }), HasSubstr("lead"));
  EXPECT_THAT(error([](Bundle& b) { b.alarms.refractory = 6; }), HasSubstr("vital signs"));
  EXPECT_THAT(error([](Bundle& b) { b.calibration.resize(2); }), HasSubstr("2 calibrations"));
  EXPECT_THAT(error([](Bundle& b) { b.calibration[0].temperature = 0; }), HasSubstr("above 0"));
  EXPECT_THAT(error([](Bundle& b) { b.calibration[0].slope = -1; }), HasSubstr("slope"));
  EXPECT_THAT(error([](Bundle& b) { b.task.kind = TaskKind::kRegression; }),
              HasSubstr("no calibration"));
  EXPECT_THAT(error([](Bundle& b) {
                b.calibration[0] = {
                    evaluate::Calibration::Kind::kIsotonic, 1, 1, 0, {1, 0}, {0, 1}};
              }),
              HasSubstr("rising"));
  EXPECT_FALSE(fs::exists(path_));
}

class AcceptanceTest : public ::testing::Test {
 protected:
  std::vector<std::string> of(const std::string& file) const {
    return accepts_.mismatches(io::read_image("tests/data/" + file));
  }
  infer::Acceptance accepts_ = ct_bundle().accepts;
  const std::string ct_ = "dicom/ct_contrast/ID_0005_AGE_0048_CONTRAST_1_CT.dcm";
};

TEST_F(AcceptanceTest, TakesACtAndRefusesAnMr) {
  EXPECT_THAT(of(ct_), IsEmpty());
  accepts_.unit = "";
  EXPECT_THAT(of("dicom/odd/MR_small_RLE.dcm"),
              ElementsAre("The bundle takes the modality CT; this file says MR."));
}

TEST_F(AcceptanceTest, RefusesAColourPhotoAndTakesGreyStoredAsColour) {
  accepts_ = {};
  accepts_.samples = 1;
  EXPECT_THAT(of("dicom/odd/examples_ybr_color.dcm"),
              ElementsAre("The bundle takes greyscale images; this file is in colour."));
  io::Image image = grey_image(4, 4, "grey");
  auto colour = std::make_shared<std::vector<std::byte>>();
  for (const std::byte value : *image.pixels.bytes) colour->insert(colour->end(), 3, value);
  image.pixels.samples = 3;
  image.pixels.bytes = colour;
  EXPECT_THAT(accepts_.mismatches(image), IsEmpty());
  (*colour)[4] ^= std::byte{1};
  EXPECT_EQ(accepts_.mismatches(image).size(), 1u);
  accepts_.samples = 3;
  EXPECT_EQ(accepts_.mismatches(grey_image(4, 4, "grey")).size(), 1u);
}

TEST_F(AcceptanceTest, FormatsWithoutModalityAndViewFit) {
  accepts_ = {};
  accepts_.modalities = {"DX", "CR"};
  accepts_.views = {"PA"};
  EXPECT_THAT(accepts_.mismatches(grey_image(4, 4, "png")), IsEmpty());
  io::Image dicom = grey_image(4, 4, "dicom");
  dicom.format = "DICOM";
  dicom.modality = "DX";
  EXPECT_THAT(accepts_.mismatches(dicom), IsEmpty());  // what is not said may be the right view
  dicom.view = "LATERAL";
  dicom.modality = "MG";
  EXPECT_THAT(accepts_.mismatches(dicom),
              ElementsAre("The bundle takes the modality DX or CR; this file says MG.",
                          "The bundle takes the view PA; this file says LATERAL."));
}

TEST_F(AcceptanceTest, ChecksStoredBitsAndUnit) {
  accepts_ = {};
  accepts_.min_bits = 10;
  EXPECT_THAT(accepts_.mismatches(grey_image(4, 4, "a")),
              ElementsAre("The bundle takes at least 10 stored bits; this file has 8."));
  accepts_.min_bits = 0;
  accepts_.max_bits = 7;
  EXPECT_THAT(accepts_.mismatches(grey_image(4, 4, "a")),
              ElementsAre("The bundle takes at most 7 stored bits; this file has 8."));
  accepts_.max_bits = 0;
  accepts_.unit = "HU";
  EXPECT_THAT(accepts_.mismatches(grey_image(4, 4, "a")),
              ElementsAre("The bundle takes values in HU; this file does not say its unit."));
  io::Image other = grey_image(4, 4, "a");
  other.gray[0].unit = "US";
  EXPECT_THAT(accepts_.mismatches(other),
              ElementsAre("The bundle takes values in HU; this file is in US."));
}

}  // namespace
}  // namespace salus::test
