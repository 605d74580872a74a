#include <fmt/format.h>

#include <algorithm>

#include "engine/infer/bundle.h"

namespace salus::infer {
namespace {

using Sentences = std::vector<std::string>;

template <typename T>
bool samples_equal(const io::Pixels& pixels) {
  for (std::int64_t frame = 0; frame < pixels.frames; ++frame) {
    const T* p = pixels.frame_as<T>(frame);
    for (std::int64_t i = 0; i < pixels.rows * pixels.columns; ++i, p += 3) {
      if (p[0] != p[1] || p[0] != p[2]) return false;
    }
  }
  return true;
}

bool is_colour(const io::Pixels& pixels) {
  if (pixels.samples != 3) return false;
  if (!pixels.bytes) return true;
  switch (io::size_of(pixels.type)) {
    case 1:
      return !samples_equal<std::uint8_t>(pixels);
    case 2:
      return !samples_equal<std::uint16_t>(pixels);
    case 4:
      return !samples_equal<std::uint32_t>(pixels);
    default:
      return !samples_equal<std::uint64_t>(pixels);
  }
}

/// \param required  a file that does not say its `what` is refused too.
void check_listed(const std::vector<std::string>& accepted, const std::string& value,
                  const char* what, bool required, Sentences& sentences) {
  if (accepted.empty() || (value.empty() && !required)) return;
  if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return;
  const std::string says =
      value.empty() ? fmt::format("does not say its {}", what) : fmt::format("says {}", value);
  sentences.push_back(fmt::format("The bundle takes the {} {}; this file {}.", what,
                                  fmt::join(accepted, " or "), says));
}

void check_samples(int samples, const io::Image& image, Sentences& sentences) {
  if (samples == 0) return;
  const bool colour = is_colour(image.pixels);
  if (samples == 1 && colour) {
    sentences.push_back("The bundle takes greyscale images; this file is in colour.");
  }
  if (samples == 3 && image.pixels.samples != 3) {
    sentences.push_back("The bundle takes colour images; this file is greyscale.");
  }
}

void check_bits(const Acceptance& accepts, const io::Image& image, Sentences& sentences) {
  const bool too_few = accepts.min_bits > 0 && image.bits_stored < accepts.min_bits;
  const bool too_many = accepts.max_bits > 0 && image.bits_stored > accepts.max_bits;
  if (!too_few && !too_many) return;
  sentences.push_back(fmt::format(
      "The bundle takes at {} {} stored bits; this file has {}.", too_few ? "least" : "most",
      too_few ? accepts.min_bits : accepts.max_bits, image.bits_stored));
}

// A CT image with slope and intercept but no RescaleType is in Hounsfield units (PS3.3 C.8.2.1.1.2:
// HU is the default of the CT Image IOD).
std::string unit_of(const io::Image& image) {
  const io::GrayscaleChain& chain = image.chain(0);
  if (!chain.unit.empty()) return chain.unit;
  return image.modality == "CT" && chain.has_rescale ? "HU" : "";
}

void check_unit(const std::string& unit, const io::Image& image, Sentences& sentences) {
  if (unit.empty()) return;
  const std::string found = image.gray.empty() ? "" : unit_of(image);
  if (found == unit) return;
  const std::string says = found.empty() ? "does not say its unit" : fmt::format("is in {}", found);
  sentences.push_back(fmt::format("The bundle takes values in {}; this file {}.", unit, says));
}

}  // namespace

std::vector<std::string> Acceptance::mismatches(const io::Image& image) const {
  Sentences sentences;
  const bool dicom = image.format == "DICOM";
  check_listed(modalities, image.modality, "modality", /*required=*/dicom, sentences);
  // ViewPosition may be empty or absent in CR and DX (PS3.3 C.8.1.1, C.8.11.1): unknown is taken.
  check_listed(views, image.view, "view", /*required=*/false, sentences);
  check_samples(samples, image, sentences);
  check_bits(*this, image, sentences);
  check_unit(unit, image, sentences);
  return sentences;
}

}  // namespace salus::infer
