#pragma once

#include <string>
#include <vector>

#include "engine/io/vitals.h"

namespace salus::io {

/// WFDB records (io/wfdb.h) as stays: every valid sample of a signal is an event of the variable that
/// the signal's description names, in the header's unit; sample i is i / frequency seconds after
/// the stay began. Invalid samples are missing.
///
/// The samples of all records are held in memory, 16 bytes each: numerics, or waveforms of minutes.
/// \param sources   each a record (PATH or PATH.hea), its id the file's name without suffix, or a
///                  folder whose every *.hea, in folders in it too, is one, its id the path from
///                  there without suffix.
/// \param outcomes  tables (io/table.h) with the columns `record` (the id), optionally `patient_id`,
///                  and numbers, which are the labels. May be empty: no labels.
/// \throws salus::Error as read_wfdb() and read_numbers(); for a folder without a header, two records
///         of one id, and a signal without a description.
VitalsTable read_wfdb_stays(const std::vector<std::string>& sources,
                            const std::vector<std::string>& outcomes,
                            const VitalsOptions& options = {});

}  // namespace salus::io
