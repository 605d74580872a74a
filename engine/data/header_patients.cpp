#include "engine/data/header_patients.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "engine/data/thread_pool.h"
#include "engine/io/error.h"
#include "engine/io/image.h"
#include "engine/io/inputs.h"

namespace salus::data {
namespace {

/// The file that speaks for a case: itself, or the first of a series.
std::string first_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  std::istringstream no_list;
  const io::NamedFiles named = io::expand_inputs({path}, no_list);
  return named.files.empty() ? "" : named.files[0];
}

/// PatientID of the header; "" of what is not DICOM.
std::string patient_of(const ImageCase& item) {
  try {
    const std::string file = first_file(item.path);
    if (file.empty() || !io::is_dicom_file(file)) return "";
    return io::read_image_header(file).patient_id;
  } catch (const Error&) {
    return "";  // told of when the image is read
  }
}

}  // namespace

std::string fill_patients(std::vector<ImageCase>& cases, int threads) {
  const bool known = std::any_of(cases.begin(), cases.end(), [](const ImageCase& item) {
    return item.index >= 0 || !item.info.patient.empty();
  });
  if (known) return "";
  std::vector<std::string> found(cases.size());
  ThreadPool pool(threads);
  pool.for_each(static_cast<std::int64_t>(cases.size()),
                [&](std::int64_t i) { found[i] = patient_of(cases[i]); });
  std::set<std::string> patients(found.begin(), found.end());
  const bool all_named = patients.erase("") == 0;
  if (patients.empty()) return "";
  if (patients.size() == 1) {
    return all_named && cases.size() == 1
               ? ""
               : "The DICOM files name one patient only: cases are divided by image.";
  }
  for (std::size_t i = 0; i < cases.size(); ++i) cases[i].info.patient = std::move(found[i]);
  return fmt::format(
      "Patients are those of the DICOM headers: {} of {} images{}. [data] patient = \"\" leaves "
      "them "
      "out.",
      patients.size(), cases.size(), all_named ? "" : ", some of which name none");
}

}  // namespace salus::data
