#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/data/dataset.h"
#include "engine/data/transform.h"

namespace salus::data {

/// One image file (or one image inside an NPZ) with its labels.
struct ImageCase {
  CaseInfo info;
  std::string path;         ///< to read
  std::int64_t index = -1;  ///< position inside an NPZ/NPY stack, else -1
};

/// Reads the [data] table into cases, without reading pixels.
///
///   [data]
///   root = "DIR"              # paths below are relative to it; itself relative to the config file
///   manifest = "labels.csv"   # CSV or Parquet with a header
///   file = "file"             # column of the path ("file"); a folder is one DICOM series
///   label = "contrast"        # column; or labels = ["a", "b"]; empty cell = not known
///   patient = "patient_id"    # column ("patient_id" if there is one); "" for no patients, not even
///                             # those of DICOM headers
///   subgroups = ["view"]      # columns
///   # or
///   npz = "pneumoniamnist.npz"  # arrays train_images, train_labels, val_images, ... (MedMNIST)
///   # or
///   folder = "."              # one sub-folder per class, named like the label
///
///   split.column = "split"    # column of a manifest with train, valid and test (see part_named())
///
/// An NPZ brings its own division, and a manifest may (`CaseInfo::part`).
std::vector<ImageCase> read_cases(const Config& data, const Task& task);

/// Images behind a Transform. Pixels are decoded by a pool of threads.
class ImageDataset : public Dataset {
 public:
  /// \param threads  decoding threads, 0 = as many as the cgroup allows.
  ImageDataset(std::vector<ImageCase> cases, std::shared_ptr<const Transform> transform, Task task,
               int threads = 0);
  ~ImageDataset() override;
  std::int64_t size() const override;
  const CaseInfo& info(std::int64_t i) const override;
  Batch load(at::IntArrayRef indices) const override;
  std::uint64_t content_hash(std::int64_t i) const override;

  /// The image as stored, for reports and explanations.
  io::Image image(std::int64_t i) const;

  const Transform& transform() const;

  void cache(const std::function<void(std::int64_t, std::int64_t)>& progress = {}) override;
  std::int64_t cache_bytes() const override;
  std::vector<std::string> missing_files() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace salus::data
