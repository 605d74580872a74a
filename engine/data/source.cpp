#include "engine/data/source.h"

#include "engine/data/image_source.h"
#include "engine/data/stay_source.h"

namespace salus::data {

Modality modality_of(const Config& transform) {
  return parse_modality(transform.get_choice("modality", {"image", "vitals"}, "image"));
}

std::string resolved_transform(const Config& transform) {
  if (modality_of(transform) == Modality::kVitals) return StayTransform(transform).toml();
  const Transform asks_for_every_key(transform);
  return transform.to_toml();
}

std::unique_ptr<Source> open_source(const Config& data, const Config& transform, const Task& task,
                                    int threads, const Unreadable& unreadable) {
  if (modality_of(transform) == Modality::kVitals) {
    return std::make_unique<StaySource>(data, transform, task, threads, unreadable);
  }
  return std::make_unique<ImageSource>(data, transform, task, threads);
}

}  // namespace salus::data
