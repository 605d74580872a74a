"""What the peers of the benchmarks rest on: the same folds as Salus, and the challenge's utility."""

import csv
import json
import sys

import numpy as np

from conftest import DATA, DONE, ROOT, run_salus
from test_vitals import CONFIG, STAYS, VARIABLES

sys.path.insert(0, str(ROOT / "tests" / "bench" / "peers"))
import folds
import utility


def outcomes():
    with open(STAYS / "Outcomes-a.txt", newline="") as file:
        return {row["RecordID"]: row["In-hospital_death"] == "1" for row in csv.DictReader(file)}


def test_the_generator_is_the_standards():
    """The C++ standard gives the ten-thousandth number of the default seed."""
    random = folds.Mt19937_64(5489)
    numbers = [random.next() for _ in range(10000)]
    assert numbers[-1] == 9981545732273789042


def test_folds_are_those_of_salus(tmp_path):
    (tmp_path / "variables.toml").write_text(VARIABLES)
    (tmp_path / "gru.toml").write_text(CONFIG.format(model="gru"))
    positive = {name: dead for name, dead in outcomes().items()
                if (STAYS / "set-a" / f"{name}.txt").exists()}
    dealt = folds.deal(positive, folds=3, seed=4)
    files = []
    for fold in range(3):
        out = tmp_path / str(fold)
        result = run_salus("train", tmp_path / "gru.toml", "--out", out, f"data.root={STAYS}",
                           f"transform.variables={tmp_path / 'variables.toml'}", "train.epochs=1",
                           "data.split.folds=3", f"data.split.fold={fold}", "data.split.seed=4")
        assert result.status == DONE, result.everything()
        files.append(out / "predictions.csv")
    assert folds.read(files) == dealt
    sizes = np.bincount(list(dealt.values()))
    assert sizes.sum() == len(positive) and sizes.max() - sizes.min() <= 1


def test_validation_is_of_the_other_folds_and_of_both_outcomes():
    positive = {str(number): number % 5 == 0 for number in range(200)}
    fold_of = folds.deal(positive)
    chosen = folds.validation(positive, fold_of, 2)
    assert len(chosen) == 24 and all(fold_of[name] != 2 for name in chosen)
    assert sum(positive[name] for name in chosen) == 5


def test_utility_equals_the_golden_values():
    golden = json.loads((DATA / "metrics" / "sepsis_utility.json").read_text())
    for stays in golden:
        stay = np.repeat(np.arange(len(stays["targets"])), [len(one) for one in stays["targets"]])
        target, score = np.concatenate(stays["targets"]), np.concatenate(stays["probabilities"])
        gain, best = utility.gains(stay, target)
        for at in stays["at"]:
            gained, most = utility.by_stay(stay, gain, best, score >= at["threshold"])
            assert abs(gained.sum() / most.sum() - at["utility"]) < 1e-9
        called = score >= utility.best_threshold(score, gain)
        assert abs((gain * called).sum() / best.sum() - stays["largest"]) < 1e-9
