#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "engine/infer/session.h"
#include "engine/infer/weights.h"
#include "engine/io/error.h"
#include "tests/models/model_support.h"

namespace salus::test {

/// A folder that is gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "salus_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Registry zoo() {
  Registry registry;
  register_zoo(registry);
  return registry;
}

/// A narrow ResNet for 32-pixel CT, its weights made by a formula.
inline infer::Bundle ct_bundle(const std::string& compute_dtype = "float32",
                               std::int64_t micro_batch = 4) {
  infer::Bundle bundle;
  bundle.name = "ct";
  bundle.task = {TaskKind::kBinary, {"contrast"}};
  bundle.model = spec_of("resnet18", 1, 32, 32, 1, {{"width", 8}, {"small", 1}});
  bundle.transform_toml = "size = [32, 32]\nwindow = [40, 400]\nmean = [0.5]\nstd = [0.25]\n";
  bundle.accepts.modalities = {"CT"};
  bundle.accepts.samples = 1;
  bundle.accepts.unit = "HU";
  evaluate::Calibration calibration;
  calibration.kind = evaluate::Calibration::Kind::kTemperature;
  calibration.temperature = 1.5;
  bundle.calibration = {calibration};
  bundle.operating_points = {{"youden", "contrast", 0.4}, {"sensitivity>=0.95", "contrast", 0.1}};
  bundle.micro_batch = micro_batch;
  bundle.compute_dtype = compute_dtype;
  const auto model = make_model(bundle.model);
  fill_by_formula(*model);
  bundle.weights = infer::state_dict(*model);
  bundle.metrics_json = "{\"auroc\": 0.97}";
  bundle.model_card = "# CT\nFor tests.\n";
  return bundle;
}

/// An 8-bit grey image of one frame; values from a formula that depends on `seed`.
inline io::Image grey_image(std::int64_t rows, std::int64_t columns, const std::string& seed,
                            std::int64_t frames = 1) {
  io::Image image;
  image.pixels.rows = rows;
  image.pixels.columns = columns;
  image.pixels.frames = frames;
  const auto values = formula_uniform(seed, static_cast<std::size_t>(rows * columns * frames));
  image.pixels.bytes = std::make_shared<std::vector<std::byte>>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    (*image.pixels.bytes)[i] = static_cast<std::byte>(static_cast<int>((values[i] + 1) * 127.9));
  }
  image.gray.resize(1);
  image.format = "PNG";
  return image;
}

/// The message of the Error that `function` throws.
template <typename Function>
std::string message_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace salus::test
