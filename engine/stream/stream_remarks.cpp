#include "engine/stream/stream_remarks.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

#include "engine/data/stay_remarks.h"

namespace salus::stream {
namespace {

/// How one kind of row is told, of one and of several.
struct Kind {
  Fate fate;
  const char *one, *several;
};

constexpr Kind kKinds[] = {
    {Fate::kUnknownVariable, "row of an unknown variable", "rows of unknown variables"},
    {Fate::kUnknownUnit, "row in an unknown unit", "rows in unknown units"},
    {Fate::kOutsideRange, "value outside of its plausible range",
     "values outside of their plausible range"},
    {Fate::kOutsideGrid, "row outside of the hours that the model sees",
     "rows outside of the hours that the model sees"},
    {Fate::kFuture, "future row", "future rows"},
    {Fate::kLate, "late row", "late rows"},
    {Fate::kUnsorted, "unsorted row", "unsorted rows"},
    {Fate::kRepeated, "duplicate row", "duplicate rows"},
    {Fate::kTimeless, "row without a time", "rows without a time"},
};

std::int64_t of(const StreamTally& tally, Fate fate) {
  return tally.fates[static_cast<std::size_t>(fate)];
}

std::string fate_remark(const Kind& kind, std::int64_t count, const StreamModel& model) {
  const char* done = model.refuses(kind.fate) ? "refused" : "dropped";
  const std::string why = kind.fate == Fate::kLate
                              ? fmt::format("; the history reaches back {}",
                                            data::several(model.options().history, "bin"))
                              : "";
  return fmt::format("{} {} ({}{})", data::grouped(count), count == 1 ? kind.one : kind.several,
                     done, why);
}

}  // namespace

std::int64_t skipped_rows(const StreamTally& tally, const StreamModel& model) {
  std::int64_t skipped = tally.unreadable + tally.turned_away;
  for (const Kind& kind : kKinds) {
    if (model.refuses(kind.fate)) skipped += of(tally, kind.fate);
  }
  return skipped;
}

std::int64_t rows_of(const StreamTally& tally) {
  return std::accumulate(tally.fates.begin(), tally.fates.end(),
                         tally.unreadable + tally.turned_away + tally.discharges);
}

std::string stream_remarks(const StreamTally& tally, const StreamModel& model) {
  std::vector<std::string> remarks;
  for (const Kind& kind : kKinds) {
    const std::int64_t count = of(tally, kind.fate);
    if (count > 0) remarks.push_back(fate_remark(kind, count, model));
  }
  if (tally.unreadable > 0) {
    remarks.push_back(data::several(tally.unreadable, "row", " not readable (skipped)"));
  }
  if (tally.turned_away > 0) {
    remarks.push_back(
        data::several(tally.turned_away, "row", " of stays for which there was no room (skipped)"));
  }
  if (remarks.empty()) return "";
  std::string read = data::several(rows_of(tally), "row");
  if (const auto missing = of(tally, Fate::kMissing); missing > 0) {
    read += " with " + data::several(missing, "missing value");
  }
  return fmt::format("Read {}; {}.", read, fmt::join(remarks, ", "));
}

const char* refusal_reason(Fate fate) {
  switch (fate) {
    case Fate::kFuture:
      return "the time is after the latest that is allowed";
    case Fate::kUnsorted:
      return "the time is before that of an earlier row of the stay";
    default:
      return "the variable has a row at this time already";
  }
}

}  // namespace salus::stream
