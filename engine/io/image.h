#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace salus::io {

/// Type of one stored value. kU1 never appears here: readers widen 1-bit pixels to kU8.
enum class PixelType { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kF64 };

/// Bytes of one value of `type`.
std::size_t size_of(PixelType type);

/// NumPy type string, little endian: "|u1", "<i2", "<f4", ...
const char* numpy_name(PixelType type);

/// Stored pixel values, before any modality or window transform, in native byte order, contiguous
/// [frames, rows, columns, samples]. Colour is always interleaved RGB (samples = 3): palette and
/// YBR are converted while reading. Integer values are clean: masked and sign-extended by
/// BitsStored/HighBit/PixelRepresentation (DICOM PS3.5 8.1.1), overlay bits gone.
struct Pixels {
  PixelType type = PixelType::kU8;
  std::int64_t frames = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t samples = 1;  ///< 1 or 3
  std::shared_ptr<std::vector<std::byte>> bytes;

  std::int64_t values_per_frame() const { return rows * columns * samples; }
  std::size_t bytes_per_frame() const { return values_per_frame() * size_of(type); }
  const std::byte* frame(std::int64_t i) const { return bytes->data() + i * bytes_per_frame(); }
  template <typename T>
  const T* frame_as(std::int64_t i) const {
    return reinterpret_cast<const T*>(frame(i));
  }
};

/// A lookup table (DICOM PS3.3 C.11.1.1.1): input below `first` takes the first entry, above the
/// last one the last entry.
struct LookupTable {
  std::int64_t first = 0;  ///< stored value mapped by entries[0]
  int bits = 16;           ///< bits of an entry: outputs lie in [0, 2^bits - 1]
  std::vector<std::uint16_t> entries;
  std::string explanation;
};

enum class VoiFunction { kLinear, kLinearExact, kSigmoid };

/// Window of DICOM PS3.3 C.11.2.1.2, in modality units.
struct VoiWindow {
  double center = 0;
  double width = 0;
  std::string explanation;
};

/// Inclusive range of stored values that are padding (PixelPaddingValue and its RangeLimit), in the
/// signedness of the pixels: whole numbers for integer pixels, any for float ones. Every value of
/// every PixelType is a double.
struct PaddingRange {
  double low = 0;
  double high = 0;

  bool operator==(const PaddingRange& other) const {
    return low == other.low && high == other.high;
  }
};

/// Grayscale transform of one frame (PS3.3 C.11.1, C.11.2); Enhanced files may have one per frame.
struct GrayscaleChain {
  std::optional<LookupTable> modality_lut;  ///< if present, slope and intercept are not used
  double slope = 1;
  double intercept = 0;
  bool has_rescale = false;  ///< slope and intercept were in the file (not defaults)
  std::string unit;          ///< RescaleType ("HU", "US", ...) or "" if the file does not say
  std::vector<LookupTable> voi_luts;
  std::vector<VoiWindow> windows;
  VoiFunction function = VoiFunction::kLinear;
};

/// Patient geometry of one frame in LPS millimetres: as the file has it or absent, never invented.
struct Geometry {
  std::array<double, 3> origin{};         ///< centre of the first pixel
  std::array<double, 3> row_cosine{};     ///< direction of increasing column index
  std::array<double, 3> column_cosine{};  ///< direction of increasing row index
};

/// What a reader returns for any image file: pixels as stored, and what is needed to read meaning
/// into them. Holds no patient identity except `patient_id`, which is for splitting only and must
/// not be written to any output.
struct Image {
  Pixels pixels;
  std::vector<GrayscaleChain> gray;  ///< one for all frames, or one per frame
  bool monochrome1 = false;          ///< invert last
  int bits_stored = 8;               ///< 1..32; for float pixels 32 or 64
  bool is_signed = false;
  std::optional<PaddingRange> padding;  ///< of all frames, unless `frame_padding` says otherwise
  std::vector<std::optional<PaddingRange>> frame_padding;  ///< one per frame, or empty
  std::vector<std::optional<Geometry>> geometry;           ///< empty, or one per frame
  std::optional<std::array<double, 2>> pixel_spacing;      ///< mm between rows, between columns
  std::optional<double> slice_thickness;                   ///< mm

  std::string format;           ///< "DICOM", "PNG", "JPEG", "TIFF", "NIfTI", "NPY", "NPZ"
  std::string transfer_syntax;  ///< UID; DICOM only
  std::string photometric;      ///< PhotometricInterpretation as the file says it; "" if none
  std::string modality;         ///< "CT", "DX", ...; "" if the file does not say
  std::string view;             ///< ViewPosition; "" if the file does not say
  std::string body_part;
  std::string manufacturer;
  std::string sop_class;              ///< UID
  std::string patient_id;             ///< never written out; see above
  std::vector<std::string> warnings;  ///< whole sentences without identities

  const GrayscaleChain& chain(std::int64_t frame) const {
    return gray.size() == 1 ? gray[0] : gray[frame];
  }
  const std::optional<PaddingRange>& padding_of(std::int64_t frame) const {
    return frame_padding.empty() ? padding : frame_padding[frame];
  }
};

/// Limits checked against what a file claims before anything is allocated or decoded.
struct ReadLimits {
  std::int64_t max_pixel_bytes = std::int64_t{4} << 30;  ///< decoded pixels of one file
  std::int64_t max_file_bytes = std::int64_t{8} << 30;
};

/// Reads any image file; the format is known by content, never by name.
///
/// PNG, JPEG and TIFF give the pixels that Pillow gives: alpha is dropped, EXIF orientation of PNG
/// and JPEG is not applied but warned of, that of TIFF is applied. Damaged or incomplete data are
/// refused, never filled with grey. NIfTI voxels stay in the file's order (see nifti.h).
///
/// \param path   DICOM (any still-image transfer syntax), PNG, JPEG, TIFF, NIfTI (.nii, .nii.gz),
///               NPY, NPZ of one array.
/// \throws salus::Error naming the file, the reason and what to do.
Image read_image(const std::string& path, const ReadLimits& limits = {});

/// The same without decoding pixels (`pixels.bytes` is null): size and header only.
Image read_image_header(const std::string& path, const ReadLimits& limits = {});

/// True if `path` begins like a DICOM file. \throws salus::Error if it cannot be opened.
bool is_dicom_file(const std::string& path);

/// True if `path` begins like a format that read_image knows; not of a zip archive (NPZ), which may
/// hold anything.
bool is_image_file(const std::string& path);

}  // namespace salus::io
