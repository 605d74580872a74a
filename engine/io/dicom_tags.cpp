#include "engine/io/dicom_tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "engine/io/dicom_dataset.h"

namespace salus::io::dicom {
namespace {

struct Entry {
  Tag tag;
  Vr vr;
  const char* name;
};

/// Sorted by tag.
constexpr Entry kEntries[] = {
    {kMediaStorageSopClass, vr_code("UI"), "MediaStorageSOPClassUID"},
    {kTransferSyntaxUid, vr_code("UI"), "TransferSyntaxUID"},
    {kCharacterSet, vr_code("CS"), "SpecificCharacterSet"},
    {kSopClass, vr_code("UI"), "SOPClassUID"},
    {kSopInstance, vr_code("UI"), "SOPInstanceUID"},
    {kAccession, vr_code("SH"), "AccessionNumber"},
    {kModality, vr_code("CS"), "Modality"},
    {kManufacturer, vr_code("LO"), "Manufacturer"},
    {kPatientName, vr_code("PN"), "PatientName"},
    {kPatientId, vr_code("LO"), "PatientID"},
    {kBirthDate, vr_code("DA"), "PatientBirthDate"},
    {kBodyPart, vr_code("CS"), "BodyPartExamined"},
    {kSliceThickness, vr_code("DS"), "SliceThickness"},
    {kViewPosition, vr_code("CS"), "ViewPosition"},
    {kStudyUid, vr_code("UI"), "StudyInstanceUID"},
    {kSeriesUid, vr_code("UI"), "SeriesInstanceUID"},
    {kImagePosition, vr_code("DS"), "ImagePositionPatient"},
    {kImageOrientation, vr_code("DS"), "ImageOrientationPatient"},
    {kFrameOfReference, vr_code("UI"), "FrameOfReferenceUID"},
    {kPlanePositionSequence, vr_code("SQ"), "PlanePositionSequence"},
    {kPlaneOrientationSequence, vr_code("SQ"), "PlaneOrientationSequence"},
    {kSamples, vr_code("US"), "SamplesPerPixel"},
    {kPhotometric, vr_code("CS"), "PhotometricInterpretation"},
    {kPlanar, vr_code("US"), "PlanarConfiguration"},
    {kFrames, vr_code("IS"), "NumberOfFrames"},
    {kRows, vr_code("US"), "Rows"},
    {kColumns, vr_code("US"), "Columns"},
    {kPixelSpacing, vr_code("DS"), "PixelSpacing"},
    {kBitsAllocated, vr_code("US"), "BitsAllocated"},
    {kBitsStored, vr_code("US"), "BitsStored"},
    {kHighBit, vr_code("US"), "HighBit"},
    {kPixelRepresentation, vr_code("US"), "PixelRepresentation"},
    {kPaddingValue, vr_code("US"), "PixelPaddingValue"},
    {kPaddingLimit, vr_code("US"), "PixelPaddingRangeLimit"},
    {kFloatPaddingValue, vr_code("FL"), "FloatPixelPaddingValue"},
    {kDoublePaddingValue, vr_code("FD"), "DoubleFloatPixelPaddingValue"},
    {kFloatPaddingLimit, vr_code("FL"), "FloatPixelPaddingRangeLimit"},
    {kDoublePaddingLimit, vr_code("FD"), "DoubleFloatPixelPaddingRangeLimit"},
    {kWindowCenter, vr_code("DS"), "WindowCenter"},
    {kWindowWidth, vr_code("DS"), "WindowWidth"},
    {kIntercept, vr_code("DS"), "RescaleIntercept"},
    {kSlope, vr_code("DS"), "RescaleSlope"},
    {kRescaleType, vr_code("LO"), "RescaleType"},
    {kWindowExplanation, vr_code("LO"), "WindowCenterWidthExplanation"},
    {kVoiFunction, vr_code("CS"), "VOILUTFunction"},
    {kRedDescriptor, vr_code("US"), "RedPaletteColorLookupTableDescriptor"},
    {kRedDescriptor + 1, vr_code("US"), "GreenPaletteColorLookupTableDescriptor"},
    {kRedDescriptor + 2, vr_code("US"), "BluePaletteColorLookupTableDescriptor"},
    {kRedData, vr_code("OW"), "RedPaletteColorLookupTableData"},
    {kRedData + 1, vr_code("OW"), "GreenPaletteColorLookupTableData"},
    {kRedData + 2, vr_code("OW"), "BluePaletteColorLookupTableData"},
    {kSegmentedRedData, vr_code("OW"), "SegmentedRedPaletteColorLookupTableData"},
    {kSegmentedRedData + 1, vr_code("OW"), "SegmentedGreenPaletteColorLookupTableData"},
    {kSegmentedRedData + 2, vr_code("OW"), "SegmentedBluePaletteColorLookupTableData"},
    {kModalityLutSequence, vr_code("SQ"), "ModalityLUTSequence"},
    {kLutDescriptor, vr_code("US"), "LUTDescriptor"},
    {kLutExplanation, vr_code("LO"), "LUTExplanation"},
    {kModalityLutType, vr_code("LO"), "ModalityLUTType"},
    {kLutData, vr_code("US"), "LUTData"},
    {kVoiLutSequence, vr_code("SQ"), "VOILUTSequence"},
    {kPixelMeasuresSequence, vr_code("SQ"), "PixelMeasuresSequence"},
    {kFrameVoiSequence, vr_code("SQ"), "FrameVOILUTSequence"},
    {kPixelTransformSequence, vr_code("SQ"), "PixelValueTransformationSequence"},
    {kGridFrameOffsets, vr_code("DS"), "GridFrameOffsetVector"},
    {kSharedGroups, vr_code("SQ"), "SharedFunctionalGroupsSequence"},
    {kPerFrameGroups, vr_code("SQ"), "PerFrameFunctionalGroupsSequence"},
    {kExtendedOffsets, vr_code("OV"), "ExtendedOffsetTable"},
    {kExtendedLengths, vr_code("OV"), "ExtendedOffsetTableLengths"},
    {kFloatPixels, vr_code("OF"), "FloatPixelData"},
    {kDoublePixels, vr_code("OD"), "DoubleFloatPixelData"},
    {kPixelData, vr_code("OW"), "PixelData"},
};

static_assert(std::is_sorted(std::begin(kEntries), std::end(kEntries),
                             [](const Entry& a, const Entry& b) { return a.tag < b.tag; }));

const Entry* find_entry(Tag tag) {
  const Entry* entry = std::lower_bound(std::begin(kEntries), std::end(kEntries), tag,
                                        [](const Entry& e, Tag wanted) { return e.tag < wanted; });
  return entry != std::end(kEntries) && entry->tag == tag ? entry : nullptr;
}

}  // namespace

Vr dictionary_vr(Tag tag) {
  const Entry* entry = find_entry(tag);
  return entry ? entry->vr : Vr{0};
}

std::string tag_name(Tag tag) {
  const Entry* entry = find_entry(tag);
  return entry ? fmt::format("{} {}", entry->name, tag_text(tag)) : "Element " + tag_text(tag);
}

}  // namespace salus::io::dicom
