#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/io/vitals.h"
#include "engine/io/wfdb_windows.h"

namespace salus::io {

/// WFDB records (io/wfdb.h) as stays: every valid sample of a signal is an event of the variable that
/// the signal's description names, in the header's unit; sample i is i / frequency seconds after
/// the stay began. Invalid samples are missing.
///
/// With `windows` each window of a record (io/wfdb_windows.h) is a stay, "RECORD@SAMPLE", whose time
/// counts from the window's beginning and whose patient is that of the record. The labels that
/// annotations make stand behind those of `outcomes`, which are the record's.
///
/// The samples of all stays are held in memory, 16 bytes each; those of one record at a time, with its
/// gaps, take 4 more while it is read.
/// \param sources   each a record (PATH or PATH.hea), its id the file's name without suffix, or a
///                  folder whose every *.hea, in folders in it too, is one, its id the path from
///                  there without suffix. There a header that is a segment of another record in its
///                  folder is none of its own.
/// \param outcomes  tables (io/table.h) with the columns `record` (the id), optionally `patient_id`,
///                  and numbers, which are the labels. May be empty: no labels.
/// \throws salus::Error as read_wfdb(), read_wfdb_annotations() and read_numbers(); for a folder
///         without a header, two records of one id, a signal without a description, and a label of
///         both outcomes and windows.
VitalsTable read_wfdb_stays(const std::vector<std::string>& sources,
                            const std::vector<std::string>& outcomes,
                            const VitalsOptions& options = {},
                            const std::optional<WfdbWindows>& windows = {});

}  // namespace salus::io
