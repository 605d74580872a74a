#pragma once

#include <cstdint>
#include <vector>

namespace salus::reference {

/// As kernels::Metric, spelled out here so that the reference shares no code with the kernel.
enum class Similarity { kInnerProduct, kCosine, kL2 };

/// The score of one query and one row in float64, from the textbook formula.
double similarity(Similarity metric, const std::vector<double>& query,
                  const std::vector<double>& row);

/// The same in float32 in the order that kernels/similarity_math.h documents, written from its
/// text: what the kernels must give to the bit.
float similarity_bits(Similarity metric, const std::vector<float>& query,
                      const std::vector<float>& row);

struct Neighbour {
  float score;
  std::int64_t id;
};

/// Rows and what is the same for all queries.
class SimilarityTable {
 public:
  SimilarityTable(Similarity metric, std::vector<std::vector<float>> rows);

  /// The list of kernels/similarity.h for one query, by scoring and sorting all rows; of `allowed`
  /// (empty: all rows) only.
  std::vector<Neighbour> topk(const std::vector<float>& query, std::int64_t k,
                              const std::vector<bool>& allowed = {}) const;

 private:
  Similarity metric_;
  std::vector<std::vector<float>> rows_;
  std::vector<bool> usable_;
};

}  // namespace salus::reference
