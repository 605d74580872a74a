#pragma once

#include <string>
#include <vector>

#include "tests/support/fuzz.h"

namespace salus::test {

/// Real DICOM files to mutate: tests/data/dicom, up to `max_bytes` each (small files give more runs
/// a second and denser mutations).
std::vector<Bytes> dicom_seeds(std::size_t max_bytes = 400'000);

/// One to five edits of a real file that know its structure: tags, value representations and
/// lengths of elements; values of those that describe pixels; elements removed, doubled or moved;
/// fragment and item lengths; markers, sizes and lengths inside of JPEG, JPEG-LS, JPEG 2000 and RLE
/// streams; pieces of another file spliced in; ends cut; bits flipped.
Bytes mutate_dicom(const std::vector<Bytes>& seeds, Rng& rng);

}  // namespace salus::test
