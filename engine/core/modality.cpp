#include "engine/core/modality.h"

#include <fmt/format.h>

#include "engine/io/error.h"

namespace salus {

std::string to_string(Modality modality) {
  return modality == Modality::kVitals ? "vitals" : "image";
}

Modality parse_modality(const std::string& name) {
  if (name == "image") return Modality::kImage;
  if (name == "vitals") return Modality::kVitals;
  throw UsageError(fmt::format("There is no modality '{}'; choose image or vitals.", name));
}

}  // namespace salus
