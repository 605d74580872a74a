#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/StreamGuard.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/image_preprocess.h"
#include "kernels/similarity.h"
#include "tests/kernels/image_preprocess_cases.h"
#include "tests/kernels/similarity_cases.h"

// Operators captured in a CUDA graph and replayed on other data, against plain calls. The CUDA
// runtime is called by its C functions' names: LibTorch's CUDA half brings it, and the test is
// built also where its headers are not.
namespace salus::kernels {
namespace {

/// Calls a function of CUDA's runtime; returns its error, 0 for none.
template <typename... Parameters>
int runtime(const char* name, Parameters... parameters) {
  auto* const function = reinterpret_cast<int (*)(Parameters...)>(dlsym(RTLD_DEFAULT, name));
  TORCH_CHECK(function != nullptr, "CUDA's runtime has no ", name, ".");
  return function(parameters...);
}

template <typename... Parameters>
void check_runtime(const char* name, Parameters... parameters) {
  const int error = runtime(name, parameters...);
  TORCH_CHECK(error == 0, name, " fails with CUDA's error ", error, ".");
}

class Graph {
 public:
  /// Captures what `work` launches on `stream`, which must be the current one, and runs nothing.
  /// Meanwhile CUDA refuses every call of the process that allocates memory or waits.
  Graph(const c10::Stream& stream, const std::function<void()>& work)
      : stream_(stream.native_handle()) {
    constexpr int kGlobal = 0;  // cudaStreamCaptureModeGlobal
    std::exception_ptr failure;
    check_runtime("cudaStreamBeginCapture", stream_, kGlobal);
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    const int error = runtime("cudaStreamEndCapture", stream_, &graph_);
    if (failure != nullptr) std::rethrow_exception(failure);
    TORCH_CHECK(error == 0, "The capture fails with CUDA's error ", error, ".");
    check_runtime("cudaGraphInstantiateWithFlags", &run_, graph_, 0ull);
  }
  ~Graph() {
    if (run_ != nullptr) runtime("cudaGraphExecDestroy", run_);
    if (graph_ != nullptr) runtime("cudaGraphDestroy", graph_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay() const { check_runtime("cudaGraphLaunch", run_, stream_); }

  /// The kinds of its nodes: 0 (cudaGraphNodeTypeKernel) for a launch; a copy, an allocation and a
  /// function of the host have others.
  std::vector<int> kinds() const {
    std::size_t count = 0;
    check_runtime("cudaGraphGetNodes", graph_, static_cast<void**>(nullptr), &count);
    std::vector<void*> nodes(count);
    check_runtime("cudaGraphGetNodes", graph_, nodes.data(), &count);
    std::vector<int> kinds(count, -1);
    for (std::size_t i = 0; i < count; ++i) {
      check_runtime("cudaGraphNodeGetType", nodes[i], &kinds[i]);
    }
    return kinds;
  }

 private:
  void* stream_;
  void* graph_ = nullptr;
  void* run_ = nullptr;
};

class CudaGraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_problem().empty()) GTEST_SKIP() << cuda_problem();
    load_cuda();
    // The default stream cannot be captured.
    guard_.reset_stream(c10::impl::VirtualGuardImpl(at::kCUDA).getStreamFromGlobalPool(kDevice));
  }

  /// Expects `work` to consist of so many launches and nothing else. It must have run before: CUDA
  /// loads a kernel when it is first launched.
  std::unique_ptr<Graph> capture(std::size_t launches, const std::function<void()>& work) {
    const std::int64_t before = allocations();
    auto graph = std::make_unique<Graph>(*guard_.current_stream(), work);
    EXPECT_EQ(allocations(), before) << "memory was taken from LibTorch's cache";
    EXPECT_EQ(graph->kinds(), std::vector<int>(launches, 0));
    return graph;
  }

  static inline const at::Device kDevice{"cuda:0"};

 private:
  static std::int64_t allocations() {
    const auto stats = c10::getDeviceAllocator(at::kCUDA)->getDeviceStats(kDevice.index());
    constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return stats.allocation[kAll].allocated;
  }

  c10::OptionalStreamGuard guard_;
};

TEST_F(CudaGraphTest, ASearchIsOfTheQueriesThatAreThereWhenItIsReplayed) {
  // Copies of a row make a query of it uncertain, so the second pass has work in some replays only.
  const at::Tensor copied = normal_rows(12, 64, 1), plain = normal_rows(12, 64, 2);
  const at::Tensor rows = at::cat({normal_rows(3000, 64, 3), copied.repeat({80, 1})});
  const SimilarityIndex index = index_of(rows.to(kDevice), at::kBFloat16, Metric::kCosine);
  EXPECT_FALSE(
      at::any(similarity_topk(copied.to(kDevice), index, {.exact = false}).certain).item<bool>());
  at::Tensor queries = plain.to(kDevice);
  const SimilarityResult result = similarity_topk(queries, index);
  const at::Tensor workspace = at::empty({similarity_workspace_bytes(queries.size(0), index)},
                                         at::TensorOptions(at::kByte).device(kDevice));
  const auto graph =
      capture(6, [&] { similarity_topk_out(queries, index, {}, {}, result, workspace); });
  for (const at::Tensor& asked : {copied, normal_rows(12, 64, 4), at::zeros({12, 64}), plain}) {
    queries.copy_(asked);
    at::Tensor(result.ids).fill_(-7);
    graph->replay();
    EXPECT_TRUE(same_result_bits(result, similarity_topk(asked.to(kDevice), index)));
    EXPECT_TRUE(at::all(result.certain).item<bool>());
  }
}

TEST_F(CudaGraphTest, AnImageIsPreprocessedAsItIsWhenTheLaunchIsReplayed) {
  PreprocessSpec spec;
  spec.height = 96;
  spec.width = 80;
  const auto pixels = [](unsigned seed) {
    return cases::random_pixels(at::kShort, {301, 257}, seed).to(kDevice);
  };
  const PreprocessImage image = cases::middle_window(pixels(1));
  const PackedPreprocess packed({image}, spec);
  const at::Tensor out = image_preprocess({image}, spec), first = out.cpu();
  const auto graph = capture(1, [&] { packed.run(out); });
  for (const unsigned seed : {2u, 3u}) {
    at::Tensor(image.pixels).copy_(pixels(seed));
    graph->replay();
    const at::Tensor expected = image_preprocess({cases::middle_window(pixels(seed))}, spec);
    EXPECT_TRUE(cases::same_bits(out.cpu(), expected.cpu()));
    EXPECT_FALSE(cases::same_bits(out.cpu(), first));
  }
}

}  // namespace
}  // namespace salus::kernels
