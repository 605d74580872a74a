// Speed of image_preprocess on the CPU. `memory_read` is the bound: the same bytes summed by plain
// vector loads on the same threads. tests/bench/peers/image_preprocess.py runs the peers on the
// same work, and this binary beside them.

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <random>

#include "kernels/image_preprocess.h"

namespace {

using salus::kernels::image_preprocess_out;
using salus::kernels::PreprocessImage;
using salus::kernels::PreprocessSpec;
using salus::kernels::Resize;
using salus::kernels::Window;

/// Twelve-bit values, as X-ray and CT files store them.
at::Tensor stored_pixels(std::int64_t side, at::ScalarType type, std::int64_t components = 1) {
  std::vector<std::int64_t> shape{side, side};
  if (components == 3) shape.push_back(3);
  at::Tensor pixels = at::empty(shape, at::TensorOptions(type));
  std::mt19937 generator(1);
  auto* bytes = static_cast<unsigned char*>(pixels.mutable_data_ptr());
  for (std::int64_t i = 0; i < pixels.numel(); ++i) {
    const auto value = static_cast<std::uint16_t>(generator() & 0xFFF);
    std::memcpy(bytes + i * pixels.element_size(), &value,
                static_cast<std::size_t>(pixels.element_size()));
  }
  return pixels;
}

void preprocess(benchmark::State& state, at::ScalarType type, std::int64_t components,
                std::int64_t from, std::int64_t to, Window window, Resize resize) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  PreprocessImage image;
  image.pixels = stored_pixels(from, type, components);
  image.window = window;
  image.intercept = -1024;
  image.center = 40;
  image.width = 400;
  image.table = at::linspace(0, 1, 4096);
  PreprocessSpec spec;
  spec.height = spec.width = to;
  spec.channels = components;
  spec.resize = resize;
  spec.mean = {0.5};
  spec.stddev = {0.25};
  const at::Tensor out = at::empty({1, components, to, to});
  for (auto _ : state) {
    image_preprocess_out({image}, spec, out);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(image.pixels.nbytes() + out.nbytes()));
}

void memory_read(benchmark::State& state, std::int64_t side) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  const at::Tensor pixels = stored_pixels(side, at::kUInt16);
  const auto* words = static_cast<const std::uint64_t*>(pixels.const_data_ptr());
  const auto count = static_cast<std::int64_t>(pixels.nbytes() / 8);
  for (auto _ : state) {
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      using Words = std::uint64_t __attribute__((vector_size(64), aligned(8)));
      Words a{}, b{}, c{}, e{};
      for (std::int64_t i = begin; i + 32 <= end; i += 32) {
        a ^= *reinterpret_cast<const Words*>(words + i);
        b ^= *reinterpret_cast<const Words*>(words + i + 8);
        c ^= *reinterpret_cast<const Words*>(words + i + 16);
        e ^= *reinterpret_cast<const Words*>(words + i + 24);
      }
      Words sum = a ^ b ^ c ^ e;
      benchmark::DoNotOptimize(sum);
    });
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(pixels.nbytes()));
}

#define SALUS_PREPROCESS(name, ...)                \
  BENCHMARK_CAPTURE(preprocess, name, __VA_ARGS__) \
      ->ArgName("threads")                         \
      ->Arg(1)                                     \
      ->Arg(2)                                     \
      ->UseRealTime()

BENCHMARK_CAPTURE(memory_read, u16_2048, 2048)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(memory_read, u16_512, 512)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
SALUS_PREPROCESS(u16_2048_to_512_area, at::kUInt16, 1, 2048, 512, Window::kRange, Resize::kArea);
SALUS_PREPROCESS(u16_512_to_128_area, at::kUInt16, 1, 512, 128, Window::kRange, Resize::kArea);
SALUS_PREPROCESS(i16_512_to_224_area, at::kShort, 1, 512, 224, Window::kLinear, Resize::kArea);
SALUS_PREPROCESS(i16_512_to_224_bilinear, at::kShort, 1, 512, 224, Window::kLinear,
                 Resize::kBilinear);
SALUS_PREPROCESS(i16_512_to_224_antialias, at::kShort, 1, 512, 224, Window::kLinear,
                 Resize::kBilinearAntialias);
SALUS_PREPROCESS(i16_512_to_224_sigmoid, at::kShort, 1, 512, 224, Window::kSigmoid, Resize::kArea);
SALUS_PREPROCESS(i16_512_to_224_table, at::kShort, 1, 512, 224, Window::kTable, Resize::kArea);
SALUS_PREPROCESS(u8_rgb_512_to_224_area, at::kByte, 3, 512, 224, Window::kRange, Resize::kArea);
SALUS_PREPROCESS(u8_1024_to_256_area, at::kByte, 1, 1024, 256, Window::kRange, Resize::kArea);
SALUS_PREPROCESS(u8_28_to_28, at::kByte, 1, 28, 28, Window::kRange, Resize::kArea);

}  // namespace

BENCHMARK_MAIN();
