// CPU half of similarity_topk: queries in chunks that stay in the second-level cache, rows in
// parts, one part per thread; then the parts' candidates are merged, scored and sorted.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/similarity_scan.h"
#include "kernels/similarity_values.h"

namespace salus::kernels {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kLine = 64;

/// Below this, float32 tiles cost more than they save.
constexpr std::int64_t kQueriesForTiles = 5;
/// Packed queries of a chunk: most of a second-level cache of 1 MiB, so that rows pass by once.
constexpr std::int64_t kChunkBytes = 512 * 1024;
constexpr std::int64_t kMostChunk = 512;
/// Less than this per thread is not worth waking it.
constexpr std::int64_t kTilesToPack = 4;
constexpr std::int64_t kQueriesToFinish = 32;
/// An index this small is searched by one thread per chunk of queries.
constexpr std::int64_t kFewRows = 16384;

/// Hands out pieces of the workspace; with a null base it only counts.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<char*>(base)) {}

  template <typename T>
  T* take(std::int64_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (count * static_cast<std::int64_t>(sizeof(T)) + kLine - 1) / kLine * kLine;
    return piece;
  }
  std::int64_t used() const { return used_; }

 private:
  char* base_;
  std::int64_t used_ = 0;
};

/// How the work is split.
struct Split {
  ScanPlan plan;
  std::int64_t chunk = 0;  ///< queries at a time, a multiple of kTileQueries
  int parts = 1;           ///< of the rows, searched side by side; 1: chunks side by side instead
  int chunks_at_once = 1;
};

Reader reader_for(const SimilarityProblem& problem) {
  const RowType type = problem.rows.type;
  const bool few = problem.queries < kQueriesForTiles;
  // Tiles keep up with memory even for one query, unless rows must be converted first.
  const bool as_stored = type == RowType::kBFloat16 || type == RowType::kInt8;
  if (amx_available() && (as_stored || !few)) return Reader::kAmx;
  return few ? Reader::kVector : Reader::kFloatTiles;
}

Split split_of(const SimilarityProblem& problem) {
  const std::int64_t threads = std::max(at::get_num_threads(), 1);
  Split split;
  split.plan.type = problem.rows.type;
  split.plan.dim = problem.rows.dim;
  split.plan.reader = reader_for(problem);
  const auto whole_tiles = [](std::int64_t queries) {
    return (queries + kTileQueries - 1) / kTileQueries * kTileQueries;
  };
  const std::int64_t fitting = kChunkBytes / split.plan.packed_bytes() * kTileQueries;
  split.chunk = std::min(whole_tiles(problem.queries),
                         std::clamp<std::int64_t>(fitting, 2 * kTileQueries, kMostChunk));
  const std::int64_t blocks = (problem.rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  if (problem.rows.count <= kFewRows && problem.queries >= threads * 2 * kTileQueries) {
    split.chunk = std::min(split.chunk, whole_tiles((problem.queries + threads - 1) / threads));
    split.chunks_at_once = static_cast<int>(threads);
  } else {
    split.parts = static_cast<int>(std::clamp<std::int64_t>(blocks, 1, threads));
  }
  return split;
}

/// The queries of a chunk, as all parts use them.
struct Chunk {
  std::int64_t first = 0;
  int queries = 0;
  int tiles = 0;
  QueryPlan* plans = nullptr;
  char* packed = nullptr;
  float* units = nullptr;
  float* differences = nullptr;
  ChunkBounds bounds;

  Chunk(const Split& split, Arena& arena) {
    plans = arena.take<QueryPlan>(split.chunk);
    packed = arena.take<char>(split.chunk / kTileQueries * split.plan.packed_bytes());
    units = arena.take<float>(split.chunk);
    differences = arena.take<float>(split.chunk);
    bounds.product = arena.take<float>(split.chunk);
    bounds.rounding = arena.take<float>(split.chunk);
    bounds.constant = arena.take<float>(split.chunk);
  }
};

/// What one thread needs while it reads a part.
struct PartMemory {
  HitMemory hits;
  char* decoded = nullptr;

  PartMemory(const SimilarityProblem& problem, const Split& split, Arena& arena) {
    const int capacity = hit_capacity(problem);
    hits.hits = arena.take<Hit>(split.chunk * capacity);
    hits.states = arena.take<HitState>(split.chunk);
    hits.floors = arena.take<float>(split.chunk);
    hits.errors = arena.take<float>(split.chunk);
    hits.thresholds = arena.take<float>(split.chunk);
    hits.scratch = arena.take<float>(capacity);
    decoded = arena.take<char>(split.plan.decoded_bytes());
  }
};

QueryPlan plan_query(const SimilarityProblem& problem, std::int64_t q) {
  const SimilarityRows& rows = problem.rows;
  QueryPlan plan;
  plan.values = problem.query + q * rows.dim;
  const float squares = documented_squares(plan.values, rows.dim);
  plan.norm = std::sqrt(squares);
  plan.takes_part = similarity_takes_part(plan.norm, rows.cosine);
  if (rows.cosine) plan.scale = 1 / plan.norm;
  if (rows.l2) plan.shift = squares;
  if (problem.mask_stride > 0) plan.mask = problem.mask + q * problem.mask_stride;
  if (problem.exclude != nullptr) plan.exclude = problem.exclude[q];
  return plan;
}

/// Plans and packs one tile of a chunk's queries.
void prepare_tile(const SimilarityProblem& problem, const Split& split, Chunk& chunk, int tile) {
  const float* values[kTileQueries];
  const int first = tile * kTileQueries;
  for (int i = 0; i < kTileQueries; ++i) {
    const int q = first + i;
    chunk.plans[q] = q < chunk.queries ? plan_query(problem, chunk.first + q) : QueryPlan();
    values[i] = chunk.plans[q].takes_part ? chunk.plans[q].values : nullptr;
  }
  pack_tile(split.plan, values, chunk.packed + tile * split.plan.packed_bytes(),
            chunk.units + first, chunk.differences + first);
  for (int q = first; q < first + kTileQueries; ++q) {
    QueryPlan& plan = chunk.plans[q];
    if (plan.takes_part) {
      plan.bounds =
          similarity_query_bounds(plan.norm * (1 + 0x1p-10f) + 0x1p-66f, chunk.differences[q],
                                  problem.rows.dim, problem.rows.cosine, problem.rows.l2);
    }
    chunk.bounds.product[q] = plan.bounds.product;
    chunk.bounds.rounding[q] = plan.bounds.rounding;
    chunk.bounds.constant[q] = plan.bounds.constant;
  }
}

void prepare_chunk(const SimilarityProblem& problem, const Split& split, std::int64_t first,
                   Chunk& chunk) {
  chunk.first = first;
  chunk.queries = static_cast<int>(std::min(split.chunk, problem.queries - first));
  chunk.tiles = (chunk.queries + kTileQueries - 1) / kTileQueries;
  const SimilarityQueryBounds same =
      similarity_query_bounds(0, 0, problem.rows.dim, problem.rows.cosine, problem.rows.l2);
  chunk.bounds.square = same.square;
  chunk.bounds.tiny = same.tiny;
  at::parallel_for(0, chunk.tiles, kTilesToPack, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      prepare_tile(problem, split, chunk, static_cast<int>(tile));
    }
  });
}

/// Multipliers and offsets of a block, with NaN where a row does not exist or is masked for all
/// queries. Returns whether any row is left.
bool block_factors(const SimilarityProblem& problem, std::int64_t first, int count,
                   float* multipliers, float* offsets) {
  constexpr float kClosed = std::numeric_limits<float>::quiet_NaN();
  const SimilarityRows& rows = problem.rows;
  std::copy_n(rows.multipliers + first, count, multipliers);
  std::fill(multipliers + count, multipliers + kSimilarityBlock, kClosed);
  if (rows.l2) {
    std::copy_n(rows.offsets + first, count, offsets);
    std::fill(offsets + count, offsets + kSimilarityBlock, 0.0f);
  }
  if (problem.mask == nullptr || problem.mask_stride > 0) return true;
  bool any = false;
  for (int word = 0; word * 64 < count; ++word) {
    const std::uint64_t bits = problem.mask[first / 64 + word];
    any = any || bits != 0;
    for (int i = 0; bits != ~std::uint64_t{0} && i < 64; ++i) {
      if ((bits >> i & 1) == 0) multipliers[word * 64 + i] = kClosed;
    }
  }
  return any;
}

void scan_block(const BlockScan& scan) {
  switch (scan.plan.reader) {
    case Reader::kVector:
      return scan_block_vector(scan);
    case Reader::kFloatTiles:
      return scan_block_float_tiles(scan);
    case Reader::kAmx:
      return scan_block_amx(scan);
  }
}

/// Reads the blocks [begin, end) of the rows for all queries of a chunk.
void scan_part(const SimilarityProblem& problem, const Split& split, const Chunk& chunk,
               std::int64_t begin, std::int64_t end, const PartMemory& memory) {
  alignas(64) float multipliers[kSimilarityBlock];
  alignas(64) float offsets[kSimilarityBlock];
  HitSink hits(problem, chunk.plans, chunk.bounds, chunk.queries, chunk.tiles * kTileQueries,
               memory.hits);
  BlockScan scan;
  scan.plan = split.plan;
  scan.rows = &problem.rows;
  scan.queries = chunk.queries;
  scan.tiles = chunk.tiles;
  scan.packed = chunk.packed;
  scan.units = chunk.units;
  scan.multipliers = multipliers;
  scan.offsets = problem.rows.l2 ? offsets : nullptr;
  scan.decoded = memory.decoded;
  scan.hits = &hits;
  for (std::int64_t block = begin; block < end; ++block) {
    scan.first = block * kSimilarityBlock;
    scan.count = static_cast<int>(std::min(problem.rows.count - scan.first, kSimilarityBlock));
    if (!block_factors(problem, scan.first, scan.count, multipliers, offsets)) continue;
    hits.begin_block(scan.first);
    scan_block(scan);
  }
  if (split.plan.reader == Reader::kAmx) release_amx();
}

/// Scores and sorts what the parts found for query `q` of the chunk, and writes its line.
void finish_query(const SimilarityProblem& problem, const Chunk& chunk, int q, int parts,
                  const PartMemory* memory, Hit* gathered, float* scratch) {
  const int capacity = hit_capacity(problem);
  float floor = kNothing, dropped = kNothing;
  int count = 0;
  for (int part = 0; part < parts; ++part) {
    const HitState& state = memory[part].hits.states[q];
    floor = std::max(floor, state.floor);
    dropped = std::max(dropped, state.dropped);
    std::copy_n(memory[part].hits.hits + std::int64_t{q} * capacity, state.count, gathered + count);
    count += state.count;
  }
  count = drop_below_floor(gathered, count, problem.k, floor, scratch);
  count = score_hits(problem.rows, chunk.plans[q], gathered, count);
  const int kept = std::min(problem.k, count);
  std::partial_sort(gathered, gathered + kept, gathered + count, [](const Hit& a, const Hit& b) {
    return similarity_before(a.lower, a.id, b.lower, b.id);
  });
  const std::int64_t line = chunk.first + q;
  float* scores = problem.scores + line * problem.k;
  std::int64_t* ids = problem.ids + line * problem.k;
  for (int r = 0; r < problem.k; ++r) {
    scores[r] = r < kept ? gathered[r].lower : kNothing;
    ids[r] = r < kept ? gathered[r].id : -1;
  }
  const bool certain = dropped == kNothing || dropped < scores[problem.k - 1];
  problem.certain[line] = certain;
  problem.bound[line] = certain ? 0.0f : std::max(dropped - scores[problem.k - 1], 0.0f);
}

/// Everything that one group of threads works in: a chunk, its parts, and room to merge them.
struct Group {
  Chunk chunk;
  PartMemory* parts;
  Hit* gathered;   ///< [threads, parts * capacity]
  float* scratch;  ///< [threads, parts * capacity]
  int finishers;   ///< threads that may merge at once
  std::int64_t room;

  Group(const SimilarityProblem& problem, const Split& split, Arena& arena)
      : chunk(split, arena), parts(arena.take<PartMemory>(split.parts)) {
    for (int part = 0; part < split.parts; ++part) {
      const PartMemory memory(problem, split, arena);
      if (parts != nullptr) parts[part] = memory;
    }
    // Waking threads costs more than a few queries do.
    const auto able = static_cast<int>(std::max<std::int64_t>(split.chunk / kQueriesToFinish, 1));
    finishers = split.chunks_at_once == 1 ? std::clamp(at::get_num_threads(), 1, able) : 1;
    room = std::int64_t{split.parts} * hit_capacity(problem);
    gathered = arena.take<Hit>(finishers * room);
    scratch = arena.take<float>(finishers * room);
  }
};

void search_chunk(const SimilarityProblem& problem, const Split& split, std::int64_t first,
                  Group& group) {
  prepare_chunk(problem, split, first, group.chunk);
  const std::int64_t blocks = (problem.rows.count + kSimilarityBlock - 1) / kSimilarityBlock;
  at::parallel_for(0, split.parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      scan_part(problem, split, group.chunk, blocks * part / split.parts,
                blocks * (part + 1) / split.parts, group.parts[part]);
    }
  });
  const std::int64_t queries = group.chunk.queries;
  at::parallel_for(0, group.finishers, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t f = begin; f < end; ++f) {
      const std::int64_t last = queries * (f + 1) / group.finishers;
      for (std::int64_t q = queries * f / group.finishers; q < last; ++q) {
        finish_query(problem, group.chunk, static_cast<int>(q), split.parts, group.parts,
                     group.gathered + f * group.room, group.scratch + f * group.room);
      }
    }
  });
}

}  // namespace

std::int64_t similarity_cpu_workspace(const SimilarityProblem& problem) {
  const Split split = split_of(problem);
  Arena arena(nullptr);
  for (int g = 0; g < split.chunks_at_once; ++g) Group(problem, split, arena);
  return arena.used();
}

void similarity_topk_cpu(const SimilarityProblem& problem) {
  const Split split = split_of(problem);
  const std::int64_t chunks = (problem.queries + split.chunk - 1) / split.chunk;
  const std::int64_t group_bytes = similarity_cpu_workspace(problem) / split.chunks_at_once;
  at::parallel_for(0, split.chunks_at_once, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      Arena arena(static_cast<char*>(problem.workspace) + g * group_bytes);
      Group group(problem, split, arena);
      for (std::int64_t c = g; c < chunks; c += split.chunks_at_once) {
        search_chunk(problem, split, c * split.chunk, group);
      }
    }
  });
}

}  // namespace salus::kernels
