#include "engine/io/dicom.h"

#include <fmt/format.h>

#include <memory>

#include "engine/io/dicom_codecs.h"
#include "engine/io/dicom_color.h"
#include "engine/io/dicom_gray.h"
#include "engine/io/dicom_layout.h"
#include "engine/io/dicom_native.h"
#include "engine/io/dicom_parser.h"

namespace salus::io {
namespace dicom {
namespace {

std::uint64_t native_bytes(const PixelLayout& layout) {
  return static_cast<std::uint64_t>((layout.native_bits_per_frame() * layout.frames + 7) / 8);
}

/// True if the pixel element has these bytes and at most one of padding.
bool has_length(const PixelLayout& layout, std::uint64_t bytes) {
  return layout.element->length == bytes || layout.element->length == bytes + bytes % 2;
}

/// Corrects the declared codec where the pixel element contradicts it.
void match_codec(ParsedFile& file, const PixelLayout& layout) {
  const Element& pixels = *layout.element;
  Codec& codec = file.syntax.codec;
  const bool encapsulated = pixels.length == kUndefinedLength;
  if (layout.is_float && encapsulated) file.source->fail("its float pixels are encapsulated.");
  const bool named = !file.transfer_syntax_uid.empty();
  if (encapsulated && codec == Codec::kNative) {
    codec = Codec::kSniff;
    file.warnings.push_back(
        fmt::format("The pixel data are encapsulated although the transfer "
                    "syntax is {}; they were decoded as they look.",
                    file.syntax.name));
  } else if (!encapsulated && codec != Codec::kNative) {
    const bool items = pixels.length >= 8 && pixels.offset + 8 <= file.source->size() &&
                       load_uint(file.source->view(pixels.offset, 4), 4, true) == 0xFEFF00E0;
    if (items) return;
    if (named && !has_length(layout, native_bytes(layout))) {
      file.source->fail(
          fmt::format("its transfer syntax is {} but its pixel data are not "
                      "encapsulated.",
                      file.syntax.name));
    }
    codec = Codec::kNative;
    if (named) {
      file.warnings.push_back(
          fmt::format("The pixel data are uncompressed although the transfer "
                      "syntax is {}; they were read as they are.",
                      file.syntax.name));
    }
  }
}

/// Uncompressed 4:2:2 pixels that are not subsampled: their length tells.
void match_chroma(ParsedFile& file, PixelLayout& layout) {
  if (file.syntax.codec != Codec::kNative || !layout.is_422()) return;
  layout.full_chroma = true;
  layout.full_chroma = has_length(layout, native_bytes(layout));
  if (!layout.full_chroma) return;
  file.warnings.push_back(
      fmt::format("{} is {} but every pixel has three samples; they were read as such.",
                  tag_name(kPhotometric), layout.photometric));
}

/// Pairs of pixels in rows of an odd length. Only without padding at the ends of rows do they have
/// this length: then they run from one row into the next.
void check_odd_columns(ParsedFile& file, const PixelLayout& layout) {
  const bool pairs = layout.pixels_per_frame() % 2 == 0;
  if (file.syntax.codec != Codec::kNative || !pairs || !has_length(layout, native_bytes(layout))) {
    file.source->fail(fmt::format("it has {} columns, but {} needs an even number.", layout.columns,
                                  layout.photometric));
  }
  file.warnings.push_back(
      fmt::format("{} is {} but {} is {}; pairs of pixels were read across the ends of rows.",
                  tag_name(kPhotometric), layout.photometric, tag_name(kColumns), layout.columns));
}

/// Chroma subsampling that cannot be undone.
void check_colour(ParsedFile& file, const PixelLayout& layout) {
  if (file.syntax.codec != Codec::kNative && file.syntax.codec != Codec::kEncapsulatedNative)
    return;
  if (layout.photometric == "YBR_PARTIAL_420") {
    file.source->fail("uncompressed YBR_PARTIAL_420 pixels are not read.");
  }
  if (layout.is_422() && layout.columns % 2 != 0) check_odd_columns(file, layout);
}

void read_native_rgb(ParsedFile& file, const PixelLayout& layout, std::byte* out) {
  read_native(file, layout, out);
  if (layout.photometric == "YBR_RCT" || layout.photometric == "YBR_ICT") {
    file.warnings.push_back(fmt::format(
        "PhotometricInterpretation is {}, which only JPEG 2000 has; the pixels were kept as RGB.",
        layout.photometric));
  } else if (layout.is_ybr()) {
    ybr_to_rgb(out, layout.frames * layout.pixels_per_frame(), layout.type(), layout.bits_stored,
               layout.photometric.starts_with("YBR_PARTIAL"));
  }
}

/// A CT image names its rescale type only where it is not HU (PS3.3 C.8.2.1.1, Rescale Type).
void fill_ct_unit(Image& image) {
  constexpr const char* kCtImageStorage = "1.2.840.10008.5.1.4.1.1.2";
  if (image.sop_class != kCtImageStorage) return;
  for (auto& chain : image.gray) {
    if (chain.has_rescale && chain.unit.empty()) chain.unit = "HU";
  }
}

void describe(ParsedFile& file, const PixelLayout& layout, Image& image) {
  ByteSource& source = *file.source;
  image.format = "DICOM";
  image.transfer_syntax = file.transfer_syntax_uid;
  image.photometric = layout.photometric;
  image.monochrome1 = layout.photometric == "MONOCHROME1";
  image.bits_stored = layout.bits_stored;
  image.is_signed = layout.is_signed || layout.is_float;
  image.modality = text(source, file.data, kModality);
  image.view = text(source, file.data, kViewPosition);
  image.body_part = text(source, file.data, kBodyPart);
  image.manufacturer = utf8_text(file, file.data, kManufacturer);
  image.sop_class = text(source, file.data, kSopClass);
  image.patient_id = text(source, file.data, kPatientId);
  image.gray = read_chains(file, layout);
  fill_ct_unit(image);
  image.padding = read_padding(file, layout);
}

Image read(const std::string& path, const ReadLimits& limits, bool with_pixels) {
  ParsedFile file = parse_file(path, limits);
  PixelLayout layout = read_layout(file, limits);
  match_codec(file, layout);
  match_chroma(file, layout);
  check_colour(file, layout);
  Image image;
  image.pixels.type = layout.type();
  image.pixels.frames = layout.frames;
  image.pixels.rows = layout.rows;
  image.pixels.columns = layout.columns;
  image.pixels.samples = layout.samples;
  describe(file, layout, image);
  read_geometry(file, layout, image);
  if (with_pixels) {
    const auto size = static_cast<std::size_t>(layout.frames) * image.pixels.bytes_per_frame();
    image.pixels.bytes = std::make_shared<std::vector<std::byte>>(size);
    std::byte* out = image.pixels.bytes->data();
    file.syntax.codec == Codec::kNative ? read_native_rgb(file, layout, out)
                                        : decode_frames(file, layout, out);
  } else if (file.syntax.codec == Codec::kNative) {
    check_native_size(file, layout);
  }
  if (layout.is_palette()) apply_palette(file, layout, image);
  image.warnings = std::move(file.warnings);
  return image;
}

}  // namespace
}  // namespace dicom

Image read_dicom(const std::string& path, const ReadLimits& limits) {
  return dicom::read(path, limits, true);
}

Image read_dicom_header(const std::string& path, const ReadLimits& limits) {
  return dicom::read(path, limits, false);
}

DicomIdentities read_dicom_identities(const std::string& path) {
  using dicom::text;
  dicom::ParsedFile file = dicom::parse_file(path, {});
  dicom::ByteSource& source = *file.source;
  DicomIdentities identities;
  identities.patient_name = dicom::utf8_text(file, file.data, dicom::kPatientName);
  identities.patient_id = dicom::utf8_text(file, file.data, dicom::kPatientId);
  identities.birth_date = text(source, file.data, dicom::kBirthDate);
  identities.accession_number = dicom::utf8_text(file, file.data, dicom::kAccession);
  identities.study_uid = text(source, file.data, dicom::kStudyUid);
  identities.series_uid = text(source, file.data, dicom::kSeriesUid);
  identities.frame_of_reference_uid = text(source, file.data, dicom::kFrameOfReference);
  identities.sop_instance_uid = text(source, file.data, dicom::kSopInstance);
  return identities;
}

}  // namespace salus::io
