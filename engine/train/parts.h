#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/config.h"
#include "engine/core/task.h"
#include "engine/data/source.h"

namespace salus::train {

/// A part of the training cases that is held out from some of the networks of an ensemble.
struct Turn {
  std::unique_ptr<data::Dataset> held_out;
  std::vector<std::int64_t> held, rest;  ///< positions in Parts::train: its own, and all others
};

/// The data of a run, divided; no patient is in two parts.
struct Parts {
  std::unique_ptr<data::Source> source;
  std::unique_ptr<data::Dataset> train;
  std::unique_ptr<data::Dataset> valid;  ///< null if the networks take turns
  std::vector<Turn> turns;               ///< network m is not trained on part m mod turns.size()
  std::unique_ptr<data::Dataset> test;   ///< null if there is none
  std::int64_t fold = -1, folds = 0;     ///< of cross-validation; -1 = none
  bool cached = false;                   ///< train and, if there is one, valid are in memory
};

/// Divides the cases of a source as [data.split] says, and lets the source learn from the training
/// part:
///
///   [data.split]
///   column = "split"     # of the manifest: train, valid, test (see data::part_named())
///   valid = 0.15         # without a column at random: fraction of patients
///   test = 0.15
///   seed = 0
///   folds = 5            # cross-validation: the fold is the test part, valid is of the rest
///   fold = 0
///   member_folds = 5     # of an ensemble: validation cases join the training part; network m is
///                        # trained without the m-th of so many parts of it (mod member_folds), and
///                        # monitored and calibrated on that part. So the ensemble learns from every
///                        # case, and calibration and thresholds still come from networks that had not
///                        # seen the case (scikit-learn's CalibratedClassifierCV with ensemble=True).
///
/// Data that bring their parts (an NPZ) keep them unless folds are asked for.
///
/// \throws UsageError for the configuration; Error if a patient is in two parts.
Parts read_parts(std::unique_ptr<data::Source> source, const Config& data);

/// For before a run, which could learn from no such part, nor choose or calibrate on one.
/// \throws Error if no case of the training part, of the validation part, or of a part that is held out
///         in turn has a known label; it names file and column.
void refuse_unlabelled(const Parts& parts, const Config& data, const Task& task);

/// For before a run, so that it does not end at the first of many.
/// \throws Error with how many files of the parts do not exist, naming 20 at most.
void refuse_missing(const Parts& parts);

/// Decodes training and validation part into memory if they take at most 40 % of what is free, or
/// [data] cache = true.
void cache_parts(Parts& parts, const Config& data,
                 const std::function<void(const std::string&)>& say);

/// Sentences about images that stand in two parts with equal pixels, or one that says that nobody
/// looked; positions, never identities.
std::vector<std::string> duplicate_warnings(const Parts& parts);

/// SHA-256 over ids and targets of all parts, and over pixels where these are in memory.
std::string data_hash(const Parts& parts);

}  // namespace salus::train
