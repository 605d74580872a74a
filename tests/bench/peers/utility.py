"""The utility of the PhysioNet Challenge 2019 on arrays of hourly rows."""

import numpy as np

EARLY, OPTIMAL, LATE = -12, -6, 3


def from_onset(stay, target):
    """Hours of each row from its stay's onset, six after the first positive row; NaN without one.

    stay: number of each row's stay, the rows of a stay one after the other.
    """
    begins = np.r_[True, stay[1:] != stay[:-1]]
    first_row = np.maximum.accumulate(np.where(begins, np.arange(len(stay)), 0))
    hour = np.arange(len(stay)) - first_row
    onset = np.full(stay.max() + 1, np.inf)
    np.minimum.at(onset, stay[target == 1], hour[target == 1] + 6)
    return np.where(np.isinf(onset[stay]), np.nan, hour - onset[stay])


def gains(stay, target):
    """What calling each row positive adds, and what it adds to the best policy."""
    d = from_onset(stay, target)
    called = np.where(d > LATE, 0, np.interp(d, [EARLY - 0.3, EARLY, OPTIMAL, LATE], [-0.05, 0, 1, 0]))
    missed = np.where(d > LATE, 0, np.interp(d, [OPTIMAL, LATE], [0, -2]))
    gain = np.where(np.isnan(d), -0.05, called - missed)
    return gain, np.where((d >= EARLY) & (d <= LATE), gain, 0)


def by_stay(stay, gain, best, called):
    """Gained and best utility of each stay: their sums' ratio is the normalised utility."""
    return np.bincount(stay, gain * called), np.bincount(stay, best)


def best_threshold(probability, gain):
    """The threshold of the largest utility, midway between two scores."""
    order = np.argsort(-probability, kind="stable")
    scores, total = probability[order], np.cumsum(gain[order])
    ends = np.r_[scores[1:] != scores[:-1], True]
    at = np.flatnonzero(ends)[np.argmax(total[ends])]
    if total[at] <= 0:
        return np.inf
    return (scores[at] + (scores[at + 1] if at + 1 < len(scores) else 0)) / 2
