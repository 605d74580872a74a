// One case per refusal of kernels/similarity.h.
#include "tests/kernels/similarity_cases.h"

namespace salus::kernels {
namespace {

template <typename Call>
void expect_refused(const std::string& word, Call call) {
  try {
    call();
    ADD_FAILURE() << "not refused: " << word;
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(word), std::string::npos)
        << error.what_without_backtrace();
  }
}

TEST(SimilarityRefusalsTest, RowsOfOtherShapesAndTypes) {
  const auto prepare = [](const at::Tensor& rows, const at::Tensor& scales = {},
                          const at::Tensor& exact = {}) {
    return [=] { similarity_prepare(rows, Metric::kL2, scales, exact); };
  };
  expect_refused("[N, D]", prepare({}));
  expect_refused("[N, D]", prepare(at::zeros({4})));
  expect_refused("float32, float16", prepare(at::zeros({4, 4}, at::kDouble)));
  expect_refused("1 to 4096", prepare(at::zeros({4, 0})));
  expect_refused("1 to 4096", prepare(at::zeros({1, 4097})));
  expect_refused("contiguous", prepare(at::zeros({4, 6}).slice(1, 0, 3)));
  expect_refused("scales", prepare(at::zeros({4, 4}, at::kChar)));
  expect_refused("scales", prepare(at::zeros({4, 4}, at::kChar), at::zeros({3})));
  expect_refused("scales", prepare(at::zeros({4, 4}), at::zeros({4})));
  expect_refused("exact_rows", prepare(at::zeros({4, 4}), {}, at::zeros({4, 5})));
  expect_refused("exact_rows", prepare(at::zeros({4, 4}), {}, at::zeros({4, 4}, at::kHalf)));
}

TEST(SimilarityRefusalsTest, RowsThatCannotBeQuantized) {
  expect_refused("contiguous", [] { similarity_quantize(at::zeros({4, 6}).slice(1, 0, 3)); });
  expect_refused("float32", [] { similarity_quantize(at::zeros({4, 4}, at::kChar)); });
  expect_refused("no values", [] { similarity_quantize(at::zeros({4, 0})); });
}

TEST(SimilarityRefusalsTest, OptionsOutsideOfTheirRanges) {
  const SimilarityIndex index = similarity_prepare(at::ones({4, 4}), Metric::kL2);
  const auto search = [&](const SimilarityOptions& options) {
    return [=] { similarity_topk(at::ones({1, 4}), index, options); };
  };
  expect_refused("k must", search({.k = 0}));
  expect_refused("k must", search({.k = 1025}));
  expect_refused("overfetch", search({.overfetch = 0.5}));
  expect_refused("overfetch", search({.overfetch = std::nan("")}));
}

TEST(SimilarityRefusalsTest, QueriesThatDoNotFitTheIndex) {
  const SimilarityIndex index = similarity_prepare(at::ones({4, 4}), Metric::kL2);
  expect_refused("queries", [&] { similarity_topk({}, index); });
  expect_refused("queries", [&] { similarity_topk(at::ones({4}), index); });
  expect_refused("queries", [&] { similarity_topk(at::ones({1, 5}), index); });
  expect_refused("queries", [&] { similarity_topk(at::ones({1, 4}, at::kDouble), index); });
}

TEST(SimilarityRefusalsTest, AnIndexThatWasNotPrepared) {
  SimilarityIndex index;
  index.rows = at::ones({4, 4});
  expect_refused("prepare", [&] { similarity_topk(at::ones({1, 4}), index); });
  index = similarity_prepare(at::ones({4, 4}), Metric::kInnerProduct);
  index.metric = Metric::kL2;
  expect_refused("offsets", [&] { similarity_topk(at::ones({1, 4}), index); });
}

TEST(SimilarityRefusalsTest, FiltersOfOtherShapesAndTypes) {
  const SimilarityIndex index = similarity_prepare(at::ones({65, 4}), Metric::kL2);
  const auto search = [&](const SimilarityFilter& filter) {
    return [=] { similarity_topk(at::ones({3, 4}), index, {}, filter); };
  };
  expect_refused("mask", search({at::ones({1}, at::kLong), {}}));
  expect_refused("mask", search({at::ones({2}), {}}));
  expect_refused("mask", search({at::ones({2, 2}, at::kLong), {}}));
  expect_refused("exclude", search({{}, at::ones({2}, at::kLong)}));
  expect_refused("exclude", search({{}, at::ones({3}, at::kInt)}));
}

TEST(SimilarityRefusalsTest, OutputsAndWorkspacesThatDoNotFit) {
  const SimilarityIndex index = similarity_prepare(at::ones({9, 4}), Metric::kL2);
  const at::Tensor queries = at::ones({3, 4});
  const SimilarityOptions options{.k = 2};
  const SimilarityResult good = similarity_topk(queries, index, options);
  const at::Tensor workspace =
      at::empty({similarity_workspace_bytes(3, index, options)}, at::kByte);
  const auto search = [&](auto change, const at::Tensor& space, const at::Tensor& values) {
    SimilarityResult result = good;
    change(result);
    similarity_topk_out(values, index, options, {}, result, space);
  };
  const auto nothing = [](SimilarityResult&) {};
  search(nothing, workspace, queries);
  expect_refused(
      "scores", [&] { search([](auto& r) { r.scores = at::zeros({3, 3}); }, workspace, queries); });
  expect_refused("ids",
                 [&] { search([](auto& r) { r.ids = at::zeros({3, 2}); }, workspace, queries); });
  expect_refused("certain",
                 [&] { search([](auto& r) { r.certain = at::Tensor(); }, workspace, queries); });
  expect_refused("bound",
                 [&] { search([](auto& r) { r.bound = at::zeros({2}); }, workspace, queries); });
  expect_refused("workspace", [&] { search(nothing, {}, queries); });
  expect_refused("workspace", [&] { search(nothing, workspace.slice(0, 0, 64), queries); });
  expect_refused("multiple of 64", [&] {
    search(nothing, at::empty({workspace.numel() + 64}, at::kByte).slice(0, 1), queries);
  });
  expect_refused("queries", [&] { search(nothing, workspace, queries.to(at::kHalf)); });
  expect_refused("queries", [&] { similarity_workspace_bytes(-1, index, options); });
}

TEST(SimilarityRefusalsTest, PartsThatCannotBeMerged) {
  const SimilarityIndex index = similarity_prepare(at::ones({9, 4}), Metric::kL2);
  const SimilarityResult two = similarity_topk(at::ones({2, 4}), index, {.k = 2});
  const SimilarityResult three = similarity_topk(at::ones({3, 4}), index, {.k = 2});
  SimilarityResult broken = two;
  broken.ids = at::Tensor();
  expect_refused("at least one", [&] { similarity_merge({}, 2); });
  expect_refused("k must", [&] { similarity_merge({two}, 0); });
  expect_refused("queries", [&] { similarity_merge({two, three}, 2); });
  expect_refused("not as", [&] { similarity_merge({two, broken}, 2); });
}

}  // namespace
}  // namespace salus::kernels
