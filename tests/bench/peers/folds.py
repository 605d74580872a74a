"""Which stay is in which fold: read from what Salus' own runs wrote, or dealt as engine/data/split.cpp
deals, for stays that are each their own patient.
"""

import csv


class Mt19937_64:
    """The C++ standard's 64-bit Mersenne Twister."""

    SIZE, MIDDLE, MASK = 312, 156, (1 << 64) - 1

    def __init__(self, seed):
        state = [seed & self.MASK]
        for i in range(1, self.SIZE):
            state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & self.MASK)
        self.state, self.at = state, self.SIZE

    def _twist(self):
        state = self.state
        for i in range(self.SIZE):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % self.SIZE] & 0x7FFFFFFF)
            state[i] = (state[(i + self.MIDDLE) % self.SIZE] ^ (x >> 1)
                        ^ (0xB5026F5AA96619E9 if x & 1 else 0))
        self.at = 0

    def next(self):
        if self.at == self.SIZE:
            self._twist()
        x = self.state[self.at]
        self.at += 1
        x ^= (x >> 29) & 0x5555555555555555
        x ^= (x << 17) & 0x71D67FFFEDA60000
        x ^= (x << 37) & 0xFFF7EEE000000000
        return x ^ (x >> 43)


def strata(positive, seed):
    """Ids without and with a positive target, each in Salus' random order. positive: id -> bool."""
    groups = [[], []]
    for name in sorted(positive, key=str.encode):
        groups[bool(positive[name])].append(name)
    random = Mt19937_64(seed)
    for group in groups:
        for i in range(len(group), 1, -1):
            j = random.next() % i
            group[i - 1], group[j] = group[j], group[i - 1]
    return groups


def deal(positive, folds=5, seed=0):
    """id -> fold."""
    order = [name for group in strata(positive, seed) for name in group]
    return {name: number % folds for number, name in enumerate(order)}


def validation(positive, fold_of, fold, share=0.15, seed=0):
    """The ids that Salus would take from the other folds' stays for validation."""
    chosen = set()
    for group in strata(positive, seed):
        rest = [name for name in group if fold_of[name] != fold]
        chosen.update(rest[:int(len(rest) * share + 0.5)])
    return chosen


def read(paths):
    """id -> fold of Salus' predictions.csv files."""
    fold_of = {}
    for path in paths:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                fold_of[row["id"]] = int(row["fold"])
    return fold_of


def choose(arguments, positive):
    """id -> fold, as the command line says."""
    if not arguments.folds_of:
        return deal(positive, arguments.folds, arguments.seed)
    fold_of = read(arguments.folds_of)
    missing = sum(name not in fold_of for name in positive)
    if missing:
        raise SystemExit(f"error: {missing} stays are in none of the files of --folds-of.")
    return {name: fold_of[name] for name in positive}


def add_options(parser):
    parser.add_argument("--out", required=True, help="CSV of out-of-fold predictions")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="[data.split] seed of the runs")
    parser.add_argument("--folds-of", nargs="+", metavar="CSV",
                        help="predictions.csv of each fold of Salus, whose folds are taken")
    parser.add_argument("--threads", type=int, default=2)
