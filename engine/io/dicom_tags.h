#pragma once

#include <cstdint>

namespace salus::io::dicom {

/// (group << 16) | element.
using Tag = std::uint32_t;

/// Two letters of a value representation, as in kVrUs = 'U' << 8 | 'S'; 0 where the data set is
/// implicit and the tag unknown.
using Vr = std::uint16_t;

constexpr Vr vr_code(const char (&letters)[3]) {
  return static_cast<Vr>(static_cast<unsigned char>(letters[0]) << 8 |
                         static_cast<unsigned char>(letters[1]));
}

constexpr Tag kItem = 0xFFFEE000, kItemEnd = 0xFFFEE00D, kSequenceEnd = 0xFFFEE0DD;

constexpr Tag kMediaStorageSopClass = 0x00020002, kTransferSyntaxUid = 0x00020010;
constexpr Tag kCharacterSet = 0x00080005, kSopClass = 0x00080016, kSopInstance = 0x00080018,
              kAccession = 0x00080050;
constexpr Tag kModality = 0x00080060, kManufacturer = 0x00080070;
constexpr Tag kPatientName = 0x00100010, kPatientId = 0x00100020, kBirthDate = 0x00100030;
constexpr Tag kBodyPart = 0x00180015, kSliceThickness = 0x00180050, kViewPosition = 0x00185101;
constexpr Tag kStudyUid = 0x0020000D, kSeriesUid = 0x0020000E, kImagePosition = 0x00200032,
              kImageOrientation = 0x00200037, kFrameOfReference = 0x00200052,
              kPlanePositionSequence = 0x00209113, kPlaneOrientationSequence = 0x00209116;
constexpr Tag kSamples = 0x00280002, kPhotometric = 0x00280004, kPlanar = 0x00280006,
              kFrames = 0x00280008, kRows = 0x00280010, kColumns = 0x00280011,
              kPixelSpacing = 0x00280030, kBitsAllocated = 0x00280100, kBitsStored = 0x00280101,
              kHighBit = 0x00280102, kPixelRepresentation = 0x00280103;
constexpr Tag kPaddingValue = 0x00280120, kPaddingLimit = 0x00280121,
              kFloatPaddingValue = 0x00280122, kDoublePaddingValue = 0x00280123,
              kFloatPaddingLimit = 0x00280124, kDoublePaddingLimit = 0x00280125;
constexpr Tag kWindowCenter = 0x00281050, kWindowWidth = 0x00281051, kIntercept = 0x00281052,
              kSlope = 0x00281053, kRescaleType = 0x00281054, kWindowExplanation = 0x00281055,
              kVoiFunction = 0x00281056;
constexpr Tag kRedDescriptor = 0x00281101, kRedData = 0x00281201, kSegmentedRedData = 0x00281221;
constexpr Tag kModalityLutSequence = 0x00283000, kLutDescriptor = 0x00283002,
              kLutExplanation = 0x00283003, kModalityLutType = 0x00283004, kLutData = 0x00283006,
              kVoiLutSequence = 0x00283010;
constexpr Tag kPixelMeasuresSequence = 0x00289110, kFrameVoiSequence = 0x00289132,
              kPixelTransformSequence = 0x00289145;
constexpr Tag kGridFrameOffsets = 0x3004000C;
constexpr Tag kSharedGroups = 0x52009229, kPerFrameGroups = 0x52009230;
constexpr Tag kExtendedOffsets = 0x7FE00001, kExtendedLengths = 0x7FE00002,
              kFloatPixels = 0x7FE00008, kDoublePixels = 0x7FE00009, kPixelData = 0x7FE00010;

/// What the reader wants of a tag: its dictionary VR, or 0 if Salus does not use the tag.
/// "US or SS" attributes give 'US'; the reader interprets their bits.
Vr dictionary_vr(Tag tag);

}  // namespace salus::io::dicom
