#include "engine/measure/kernel_cases.h"

namespace salus::measure {

// clang-format off
#define SALUS_KERNEL_FAMILIES(line) \
  line(image_preprocess)            \
  line(image_augment)               \
  line(clahe)                       \
  line(histogram_equalize)          \
  line(vitals_grid)                 \
  line(gru_d)                       \
  line(similarity)                  \
  line(kmeans)
// clang-format on

#define SALUS_DECLARE(name) std::vector<KernelCase> name##_cases();
SALUS_KERNEL_FAMILIES(SALUS_DECLARE)
#undef SALUS_DECLARE

#define SALUS_LIST(name) KernelFamily{#name, &name##_cases},
std::span<const KernelFamily> kernel_families() {
  static const KernelFamily kFamilies[] = {SALUS_KERNEL_FAMILIES(SALUS_LIST)};
  return kFamilies;
}
#undef SALUS_LIST

}  // namespace salus::measure
