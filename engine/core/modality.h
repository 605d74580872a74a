#pragma once

#include <string>

namespace salus {

/// What a model looks at; decides what data, transform and inputs of a Batch mean.
enum class Modality { kImage, kVitals };

std::string to_string(Modality modality);          ///< "image", "vitals"
Modality parse_modality(const std::string& name);  ///< \throws UsageError naming the choices

}  // namespace salus
