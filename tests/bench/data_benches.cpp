#include <torch/torch.h>

#include "engine/core/config.h"
#include "engine/data/image_dataset.h"
#include "kernels/image_preprocess.h"
#include "tests/bench/benches.h"
#include "tests/bench/worker.h"

namespace salus::bench {
namespace {

constexpr const char* kCtTransform = R"(
size = [224, 224]
channels = 1
window = [40, 400]
resize = "area"
mean = [0.5]
std = [0.25]
)";

/// Mean and standard deviation of an output: the runner compares them with the peer's.
std::vector<double> check_of(const at::Tensor& output) {
  const auto values = output.to(at::kDouble);
  return {values.mean().item<double>(), values.std().item<double>()};
}

}  // namespace

void bench_dicom(const Options& options) {
  std::vector<data::ImageCase> cases(options.files.size());
  std::vector<std::int64_t> all(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cases[i].info.id = cases[i].path = options.files[i];
    all[i] = static_cast<std::int64_t>(i);
  }
  const auto transform =
      std::make_shared<data::Transform>(Config::parse(kCtTransform, "transform"));
  const data::ImageDataset dataset(std::move(cases), transform, Task{}, options.threads);
  at::Tensor images;
  const auto load = [&] { images = dataset.load(all).inputs.at("image"); };
  load();
  serve({{"check", check_of(images)}}, static_cast<double>(all.size()), load);
}

void bench_preprocess(const Options& options) {
  kernels::PreprocessImage image;
  // The same values as in peers/preprocess.py.
  const auto index = at::arange(2048L * 2048, at::kLong);
  image.pixels = (index * 2654435761L).bitwise_right_shift(7).bitwise_and(4095).to(at::kUInt16);
  image.pixels = image.pixels.view({2048, 2048}).to(options.device);
  image.window = kernels::Window::kRange;
  image.center = 2000;
  image.width = 3000;
  kernels::PreprocessSpec spec;
  spec.height = spec.width = 512;
  spec.mean = {0.5};
  spec.stddev = {0.25};
  const auto on_device = at::TensorOptions(at::kFloat).device(at::Device(options.device));
  const auto out = at::empty({1, 1, 512, 512}, on_device);
  const bool gpu = options.device != "cpu";
  const auto work = [&] {
    kernels::image_preprocess_out({image}, spec, out);
    if (gpu) torch::cuda::synchronize();
  };
  work();
  serve({{"check", check_of(out.cpu())}}, 1, work);
}

}  // namespace salus::bench
