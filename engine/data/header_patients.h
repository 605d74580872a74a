#pragma once

#include <string>
#include <vector>

#include "engine/data/image_dataset.h"

namespace salus::data {

/// Where no case has a patient, that of its DICOM file (of a series: of its first file), so that no
/// patient stands on both sides of a split. Only headers are read. What is not DICOM or cannot be
/// read stays without one; so do all cases if their files name one patient only, as the files of
/// some who hide identities do.
///
/// The ids are for splitting and resampling: they must not be written to any output.
///
/// \param threads  that read, 0 = as many as the process may use.
/// \returns a sentence about what was found, without identities; "" if there was nothing to do.
std::string fill_patients(std::vector<ImageCase>& cases, int threads);

}  // namespace salus::data
