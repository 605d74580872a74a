#include "engine/io/dicom_gray.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/io/dicom_color.h"

namespace salus::io::dicom {
namespace {

/// A LUT Descriptor with its data (PS3.3 C.11.1.1.1), or nothing if the item has none.
std::optional<LookupTable> read_table(ParsedFile& file, const DataSet& item, bool is_signed) {
  ByteSource& source = *file.source;
  const std::vector<double> descriptor = numbers(source, item, kLutDescriptor, 3);
  const Element* data = item.find(kLutData);
  if (descriptor.size() < 3 || !data || data->length == 0 || data->length == kUndefinedLength) {
    return std::nullopt;
  }
  LookupTable table;
  const auto declared = static_cast<std::size_t>(static_cast<std::int64_t>(descriptor[0]) & 0xFFFF);
  const std::size_t count = declared ? declared : std::size_t{1} << 16;
  table.first = first_mapped(descriptor[1], is_signed);
  const auto bits = static_cast<int>(descriptor[2]);
  table.bits = bits >= 1 && bits <= 16 ? bits : 16;
  table.entries = table_entries(source, *data, count);
  if (table.entries.empty()) return std::nullopt;
  if (table.entries.size() < count) {
    file.warnings.push_back(
        fmt::format("A lookup table has {} entries where its descriptor says {}.",
                    table.entries.size(), count));
  }
  table.explanation = utf8_text(file, item, kLutExplanation);
  return table;
}

/// Rescale of `item` into `chain`. True if there was one.
bool read_rescale(ParsedFile& file, const DataSet& item, GrayscaleChain& chain) {
  const std::optional<double> slope = number(*file.source, item, kSlope);
  const std::optional<double> intercept = number(*file.source, item, kIntercept);
  if (!slope && !intercept) return false;
  chain.slope = slope.value_or(1);
  chain.intercept = intercept.value_or(0);
  chain.has_rescale = true;
  chain.unit = text(*file.source, item, kRescaleType);
  if (!std::isfinite(chain.slope) || !std::isfinite(chain.intercept)) {
    file.source->fail("its rescale slope or intercept is not finite.");
  }
  if (chain.slope == 0) {
    file.warnings.push_back(
        fmt::format("{} is 0: every pixel has the same value.", tag_name(kSlope)));
  }
  return true;
}

void read_modality(ParsedFile& file, const PixelLayout& layout, const DataSet* group,
                   GrayscaleChain& chain) {
  if (group && read_rescale(file, *group, chain)) return;
  if (const DataSet* item = file.data.item(kModalityLutSequence)) {
    chain.modality_lut = read_table(file, *item, layout.is_signed);
    if (!chain.modality_lut) {
      file.source->fail(fmt::format("{} holds no complete table.", tag_name(kModalityLutSequence)));
    }
    chain.unit = text(*file.source, *item, kModalityLutType);
    return;
  }
  read_rescale(file, file.data, chain);
}

void read_function(ParsedFile& file, const DataSet& item, GrayscaleChain& chain) {
  const std::string name = text(*file.source, item, kVoiFunction);
  if (name == "LINEAR_EXACT") {
    chain.function = VoiFunction::kLinearExact;
  } else if (name == "SIGMOID") {
    chain.function = VoiFunction::kSigmoid;
  } else if (!name.empty() && name != "LINEAR") {
    file.warnings.push_back(
        fmt::format("{} is not known; LINEAR was assumed.", tag_name(kVoiFunction)));
  }
}

/// Windows of `item`; a window that cannot be applied is left out with a warning.
void read_windows(ParsedFile& file, const DataSet& item, GrayscaleChain& chain) {
  const std::vector<double> centers = numbers(*file.source, item, kWindowCenter);
  const std::vector<double> widths = numbers(*file.source, item, kWindowWidth);
  if (centers.empty() && widths.empty()) return;
  read_function(file, item, chain);
  const std::vector<std::string> names = utf8_texts(file, item, kWindowExplanation);
  const double least = chain.function == VoiFunction::kLinear ? 1.0 : 0.0;
  for (std::size_t i = 0; i < std::min(centers.size(), widths.size()); ++i) {
    const bool wide = chain.function == VoiFunction::kLinear ? widths[i] >= least : widths[i] > 0;
    if (wide && std::isfinite(centers[i]) && std::isfinite(widths[i])) {
      chain.windows.push_back({centers[i], widths[i], i < names.size() ? names[i] : ""});
    } else {
      file.warnings.push_back(
          fmt::format("Window {} cannot be applied (centre {}, width {}) and was left out.", i + 1,
                      centers[i], widths[i]));
    }
  }
}

GrayscaleChain read_chain(ParsedFile& file, const PixelLayout& layout, std::int64_t frame) {
  GrayscaleChain chain;
  if (layout.samples != 1 || layout.is_palette()) return chain;
  read_modality(file, layout, functional_group(file.data, frame, kPixelTransformSequence), chain);
  const DataSet* voi = functional_group(file.data, frame, kFrameVoiSequence);
  read_windows(file, voi ? *voi : file.data, chain);
  // VOI LUTs take what the modality transform gives: of a table never a negative value.
  const bool negative = !chain.modality_lut && (layout.is_signed || chain.intercept < 0);
  for (std::size_t i = 0; const DataSet* item = file.data.item(kVoiLutSequence, i); ++i) {
    if (std::optional<LookupTable> table = read_table(file, *item, negative)) {
      chain.voi_luts.push_back(std::move(*table));
    } else {
      file.warnings.push_back(fmt::format("Item {} of {} holds no complete table and was left out.",
                                          i + 1, tag_name(kVoiLutSequence)));
    }
  }
  return chain;
}

/// `value` as a pixel of the layout would be read: -2000 and 63536 are the same 16 bits.
double in_signedness(double value, const PixelLayout& layout) {
  double v = std::trunc(value);
  if (layout.is_signed) {
    if (v > 32767 && v <= 65535 && layout.bits_allocated <= 16) v -= 65536;
    if (v > 127 && v <= 255 && layout.bits_allocated <= 8) v -= 256;
  } else if (v < 0) {
    v += layout.bits_allocated <= 8 && v >= -128 ? 256 : 65536;
  }
  return v;
}

}  // namespace

const DataSet* functional_group(const DataSet& data, std::int64_t frame, Tag macro) {
  const DataSet* own = data.item(kPerFrameGroups, static_cast<std::size_t>(frame));
  if (own) {
    if (const DataSet* item = own->item(macro)) return item;
  }
  const DataSet* shared = data.item(kSharedGroups);
  return shared ? shared->item(macro) : nullptr;
}

bool has_own_groups(const DataSet& data, Tag macro) {
  const Element* groups = data.find(kPerFrameGroups);
  if (!groups || !groups->items) return false;
  return std::any_of(groups->items->begin(), groups->items->end(),
                     [macro](const DataSet& item) { return item.item(macro) != nullptr; });
}

std::vector<GrayscaleChain> read_chains(ParsedFile& file, const PixelLayout& layout) {
  std::vector<GrayscaleChain> chains;
  const bool per_frame =
      layout.samples == 1 && (has_own_groups(file.data, kPixelTransformSequence) ||
                              has_own_groups(file.data, kFrameVoiSequence));
  const std::int64_t count = per_frame ? layout.frames : 1;
  const std::size_t warnings = file.warnings.size();
  for (std::int64_t f = 0; f < count; ++f) {
    chains.push_back(read_chain(file, layout, f));
    // What is odd in one frame is odd in all: say it once.
    if (f > 0 && file.warnings.size() > warnings) file.warnings.resize(warnings + 1);
  }
  return chains;
}

std::optional<PaddingRange> read_padding(ParsedFile& file, const PixelLayout& layout) {
  if (layout.samples != 1 || layout.is_palette()) return std::nullopt;
  const Tag value_tag = !layout.is_float              ? kPaddingValue
                        : layout.bits_allocated == 32 ? kFloatPaddingValue
                                                      : kDoublePaddingValue;
  const Tag limit_tag = !layout.is_float              ? kPaddingLimit
                        : layout.bits_allocated == 32 ? kFloatPaddingLimit
                                                      : kDoublePaddingLimit;
  const std::vector<double> value = numbers(*file.source, file.data, value_tag, 1);
  if (value.empty() || std::isnan(value[0])) return std::nullopt;
  const std::vector<double> limit = numbers(*file.source, file.data, limit_tag, 1);
  const double first = value[0];
  const double last = limit.empty() || std::isnan(limit[0]) ? first : limit[0];
  const auto as_pixel = [&](double v) { return layout.is_float ? v : in_signedness(v, layout); };
  const auto [low, high] = std::minmax({as_pixel(first), as_pixel(last)});
  return PaddingRange{low, high};
}

}  // namespace salus::io::dicom
