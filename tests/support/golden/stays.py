"""Golden values of engine/evaluate's metrics of stays: both events of the PhysioNet Challenge 2012 and
the utility of the PhysioNet Challenge 2019.

Run: python stays.py OUTPUT_FOLDER   (NumPy; see requirements-test.txt)
Writes challenge2012.json and sepsis_utility.json. Both are written from the challenges' descriptions:
the utility as straight lines between the corners of its figure, stay by stay and call by call.
"""

import json
import sys
from pathlib import Path

import numpy as np

EARLY, OPTIMAL, LATE = -12, -6, 3


def positive_curve(d):
    """Worth of a positive call d hours from the onset; a false alarm's -0.05 is the floor."""
    if d > LATE:
        return 0.0
    return float(np.interp(d, [EARLY - 0.3, EARLY, OPTIMAL, LATE], [-0.05, 0, 1, 0]))


def negative_curve(d):
    return 0.0 if d > LATE else float(np.interp(d, [OPTIMAL, LATE], [0, -2]))


def total(labels, calls):
    """Utility of one stay of hourly rows; labels turn positive six hours before the onset."""
    if not labels.any():
        return -0.05 * calls.sum()
    onset = int(np.flatnonzero(labels)[0]) + 6
    return sum(positive_curve(t - onset) if call else negative_curve(t - onset)
               for t, call in enumerate(calls))


def best_calls(labels):
    calls = np.zeros(len(labels), bool)
    if labels.any():
        onset = int(np.flatnonzero(labels)[0]) + 6
        for t in range(len(labels)):
            calls[t] = EARLY <= t - onset <= LATE
    return calls


def utility(stays, threshold):
    observed = sum(total(y, p >= threshold) for p, y in stays)
    best = sum(total(y, best_calls(y)) for _, y in stays)
    inaction = sum(total(y, np.zeros(len(y), bool)) for _, y in stays)
    return (observed - inaction) / (best - inaction)


def random_stay(rng):
    n = int(rng.integers(1, 60))
    labels = np.zeros(n, int)
    if rng.random() < 0.4:
        labels[int(rng.integers(0, n)):] = 1
    # Rounded, so that scores are tied within and between stays.
    return np.round(1 / (1 + np.exp(-rng.normal(1.2 * labels - 1, 1))), 2), labels


def utilities(rng):
    sets = []
    for size in (1, 3, 40):
        stays = [random_stay(rng) for _ in range(size)]
        stays[0][1][-1] = 1
        scores = np.unique(np.concatenate([p for p, _ in stays]))
        every = np.concatenate([scores, [scores[-1] + 0.01]])
        sets.append({"probabilities": [p.tolist() for p, _ in stays],
                     "targets": [y.tolist() for _, y in stays],
                     "at": [{"threshold": float(t), "utility": utility(stays, t)}
                            for t in (0, 0.2, 0.35, 0.5, 0.8, 1.01)],
                     "observed": [total(y, p >= 0.35) for p, y in stays],
                     "largest": max(utility(stays, t) for t in every)})
    return sets


def event2(p, y):
    order = np.argsort(p, kind="stable")
    size = len(p) // 10
    groups = [order[g * size:(g + 1) * size] for g in range(10)]
    risk = [p[g].mean() for g in groups]
    h = sum((y[g].sum() - size * r) ** 2 / (size * r * (1 - r) + 0.001) for g, r in zip(groups, risk))
    return h / (risk[9] - risk[0])


def event1(p, y, threshold):
    called = p >= threshold
    hits = (called & (y == 1)).sum()
    return min(hits / (y == 1).sum(), hits / called.sum())


def challenge2012(rng):
    sets = []
    for n, digits in ((1000, 6), (437, 2), (10, 6)):
        x = rng.normal(-2, 1.3, n)
        y = (rng.random(n) < 1 / (1 + np.exp(-1.3 * x))).astype(int)
        y[:2] = 0, 1
        p = np.round(1 / (1 + np.exp(-x)), digits)
        threshold = float(np.round(np.quantile(p, 0.8), digits))
        sets.append({"probabilities": p.tolist(), "targets": y.tolist(), "threshold": threshold,
                     "event1": event1(p, y, threshold), "event2": event2(p, y)})
    return sets


def main():
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(2019)
    (folder / "sepsis_utility.json").write_text(json.dumps(utilities(rng)) + "\n")
    (folder / "challenge2012.json").write_text(json.dumps(challenge2012(rng)) + "\n")


if __name__ == "__main__":
    main()
