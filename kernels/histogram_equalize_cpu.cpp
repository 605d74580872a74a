// CPU half of histogram_equalize: threads count stretches of an image, each in counters of its own
// that are then added to the image's; one thread per image makes its table; threads look the pixels
// of stretches up.

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/histogram_equalize_plan.h"
#include "kernels/histogram_share.h"

// Three builds of the kernel are enough: SSSE3 (every x86-64 processor since 2011), AVX2 and
// AVX-512.
#define HWY_WANT_SSSE3 1
#define HWY_DISABLED_TARGETS HWY_SSE4
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/histogram_equalize_cpu.cpp"
#include <hwy/foreach_target.h>
// Highway's own header last: it reads HWY_TARGET.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace salus::kernels::equalize_detail::HWY_NAMESPACE {

#include "kernels/histogram_count-inl.h"

/// Counts a stretch and adds it to the image's counts, which other threads add to as well.
template <typename T>
void count_stretch_of(const EqualizePlan& plan, const T* from, std::int64_t count,
                      std::uint32_t* image_counts, HistogramScratch& scratch) {
  auto* memory = scratch.bytes(Counter::words(plan.bits) * sizeof(std::uint32_t));
  Counter counter(static_cast<std::uint32_t*>(memory), plan.bits, 0, plan.levels() - 1);
  counter.add_row(from, count);
  const std::uint32_t* counts = counter.merge();
  for (int i = 0; i < plan.levels(); ++i) {
    if (counts[i] != 0) {
      std::atomic_ref(image_counts[i]).fetch_add(counts[i], std::memory_order_relaxed);
    }
  }
}

void count_stretch(const EqualizePlan& plan, int bytes, const void* from, std::int64_t count,
                   std::uint32_t* image_counts, HistogramScratch& scratch) {
  if (bytes == 1) {
    count_stretch_of(plan, static_cast<const std::uint8_t*>(from), count, image_counts, scratch);
  } else {
    count_stretch_of(plan, static_cast<const std::uint16_t*>(from), count, image_counts, scratch);
  }
}

/// `counts` lose their ignored values.
void make_table(const EqualizePlan& plan, std::uint32_t* counts, std::uint16_t* table) {
  auto counted = static_cast<std::uint32_t>(plan.pixels);
  for (std::uint32_t i = plan.ignore_low; plan.ignores(i); ++i) {
    counted -= counts[i];
    counts[i] = 0;
  }
  const auto* end = counts + plan.levels();
  const auto* first = std::find_if(counts, counts + plan.levels(), [](auto c) { return c != 0; });
  const std::uint32_t lowest = first == end ? 0 : *first;
  if (counted == lowest) {
    for (int i = 0; i < plan.levels(); ++i) table[i] = static_cast<std::uint16_t>(i);
    return;
  }
  scan_into_entries(counts, plan.levels(), 0, -static_cast<std::int32_t>(lowest),
                    histogram_scale(plan.levels(), counted - lowest), plan.levels(), table);
}

template <typename T>
void apply_stretch_of(const EqualizePlan& plan, const T* from, std::int64_t count,
                      const std::uint16_t* table, T* to) {
  const auto top = static_cast<std::uint32_t>(plan.levels() - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<T>(table[std::min<std::uint32_t>(from[i], top)]);
  }
}

void apply_stretch(const EqualizePlan& plan, int bytes, const void* from, std::int64_t count,
                   const std::uint16_t* table, void* to) {
  if (bytes == 1) {
    apply_stretch_of(plan, static_cast<const std::uint8_t*>(from), count, table,
                     static_cast<std::uint8_t*>(to));
  } else {
    apply_stretch_of(plan, static_cast<const std::uint16_t*>(from), count, table,
                     static_cast<std::uint16_t*>(to));
  }
}

}  // namespace salus::kernels::equalize_detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace salus::kernels {
namespace equalize_detail {

HWY_EXPORT(count_stretch);
HWY_EXPORT(make_table);
HWY_EXPORT(apply_stretch);

}  // namespace equalize_detail

void histogram_equalize_cpu(const EqualizePlan& plan, int bytes, const void* in, void* out,
                            void* workspace) {
  const std::int64_t levels = plan.levels(), pixels = plan.pixels;
  auto* counts = static_cast<std::uint32_t*>(workspace);
  auto* tables = reinterpret_cast<std::uint16_t*>(static_cast<unsigned char*>(workspace) +
                                                  equalize_counts_bytes(plan));
  std::memset(counts, 0, equalize_counts_bytes(plan));
  // Adding a stretch's bins to the image's must stay a small part of the work.
  const std::int64_t stretch = std::max<std::int64_t>(8 * levels, 128 * 1024);
  const std::int64_t each = (pixels + stretch - 1) / stretch;
  const auto* source = static_cast<const unsigned char*>(in);
  auto* target = static_cast<unsigned char*>(out);
  const auto offset_of = [&](std::int64_t i) { return i / each * pixels + i % each * stretch; };
  const auto size_of = [&](std::int64_t i) {
    return std::min(stretch, pixels - i % each * stretch);
  };
  const auto count = HWY_DYNAMIC_DISPATCH(equalize_detail::count_stretch);
  share_work(plan.count * each, [&](std::int64_t i, HistogramScratch& scratch) {
    count(plan, bytes, source + offset_of(i) * bytes, size_of(i), counts + i / each * levels,
          scratch);
  });
  const auto make = HWY_DYNAMIC_DISPATCH(equalize_detail::make_table);
  share_work(plan.count, [&](std::int64_t i, HistogramScratch&) {
    make(plan, counts + i * levels, tables + i * levels);
    if (plan.ignores()) {
      for (std::uint32_t v = plan.ignore_low; v <= plan.ignore_high; ++v) {
        tables[i * levels + v] = static_cast<std::uint16_t>(v);
      }
    }
  });
  const auto apply = HWY_DYNAMIC_DISPATCH(equalize_detail::apply_stretch);
  share_work(plan.count * each, [&](std::int64_t i, HistogramScratch&) {
    const std::int64_t offset = offset_of(i) * bytes;
    apply(plan, bytes, source + offset, size_of(i), tables + i / each * levels, target + offset);
  });
}

}  // namespace salus::kernels
#endif
