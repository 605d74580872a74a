#pragma once

#include <span>
#include <string>

#include "engine/io/image.h"

namespace salus::io {

/// True if the first bytes (at least 132 where the file has as many; more is better) look like a
/// DICOM file: "DICM" after the preamble, or a data set that begins with a plausible group
/// 0002/0008 element.
bool looks_like_dicom(std::span<const std::byte> head);

/// Reads one DICOM file. Structure is walked and checked before DCMTK or any codec sees it.
///
/// Decodes implicit and explicit VR, little and big endian, deflated, RLE, JPEG (.50 .51 .57 .70),
/// JPEG-LS (.80 .81), JPEG 2000 (.90 .91 .92 .93), HTJ2K (.201 .202 .203), encapsulated
/// uncompressed (.98) and deflated frames (.8.1). Palette, YBR and planar colour become interleaved
/// RGB. Safe to call from many threads at once.
///
/// \throws salus::Error naming the file and the reason: no pixels, a transfer syntax that is not a
///         still image (named), truncated or contradictory data, over `limits`.
Image read_dicom(const std::string& path, const ReadLimits& limits = {});

/// The same without the pixels, which are neither read nor decoded: `pixels.bytes` is null. (Of a
/// deflated file the data set is inflated.) A file is refused for the same reasons, except those
/// that only decoding finds.
Image read_dicom_header(const std::string& path, const ReadLimits& limits = {});

/// Identities for `salus inspect --identities`: the only place they are read for output. Texts are
/// UTF-8, by the file's SpecificCharacterSet.
struct DicomIdentities {
  std::string patient_name, patient_id, birth_date, accession_number;
  std::string study_uid, series_uid, frame_of_reference_uid, sop_instance_uid;
};
DicomIdentities read_dicom_identities(const std::string& path);

/// Name of a transfer syntax UID, or the UID itself if unknown.
std::string transfer_syntax_name(const std::string& uid);

}  // namespace salus::io
