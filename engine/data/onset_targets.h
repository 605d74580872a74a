#pragma once

#include <memory>
#include <vector>

#include "engine/data/step_targets.h"

namespace salus::data {

/// What is known of the onset in one stay.
struct Onset {
  bool known = false;  ///< whether there was one: the stay has a row in the file of labels
  double hour = 0;     ///< of the onset; NaN: there was none
  double until = 0;    ///< hour up to which the stay was observed, the last instant included
};

/// Reads `spec` from a table as read from the source, whose statics still have the source's names.
///
/// A column of labels of stays or of statics holds the hour of the onset, NaN where there was none
/// (a stay without a row in the file of labels is not known). In a column of labels of steps the
/// onset is the time of the first label above 0.5, plus label_lead; a stay of which no step is
/// labelled is not known, and it was observed until its last labelled step. Hours have no lead: that
/// of a bundle is left out there.
///
/// \param where  the [data] table, which may or may not be the one that `spec` comes from.
/// \returns [N], or nothing if the table has no labels at all.
/// \throws UsageError naming the columns there are, and for a label_lead of `where` with hours.
std::vector<Onset> read_onsets(const OnsetSpec& spec, const io::VitalsTable& table,
                               const Config& where);

/// A label for each horizon h of the step in bin t, which is at the hour t x step of the stay:
/// 1 if the onset lies in (t, t + h], 0 if it does not.
///
/// A bin that the onset falls into counts as after it, since its events may be: it and later ones
/// are labelled as `after` says. Where no onset was seen, a label is 0 if the stay was observed
/// through t + h and else, with `censored_negative`, 0, or not known. Times are whole seconds, as on
/// the grid.
///
/// \throws UsageError for a horizon below one step, of which no bin could be positive.
std::unique_ptr<StepTargets> onset_targets(std::shared_ptr<const io::VitalsTable> table,
                                           std::shared_ptr<const StayTransform> transform,
                                           std::vector<Onset> onsets, const OnsetSpec& spec);

}  // namespace salus::data
