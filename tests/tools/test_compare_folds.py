"""tests/bench/compare_folds: what two models said of the same folds, on cases worked out by hand."""

import csv
import json
import subprocess
import sys

import pytest

from conftest import ROOT

SCRIPT = ROOT / "tests" / "bench" / "compare_folds"


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def compare(folder, *arguments):
    """Status, the figures, stdout and stderr of fold-0 and fold-1 in `folder` against its peer.csv."""
    out = folder / "figures.json"
    run = subprocess.run(
        [sys.executable, SCRIPT, "--ours", *sorted(folder.glob("fold-*/predictions.csv")), "--peer",
         folder / "peer.csv", "--json", out, "--replicates", "200", *arguments],
        capture_output=True, text=True, timeout=120)
    return run.returncode, json.loads(out.read_text()) if out.exists() else None, run.stdout, run.stderr


# One row a stay, two folds: target, what we said, what the peer said.
STAYS = {"7": (1, 0.9, 0.6), "8": (0, 0.8, 0.8), "9": (1, 0.7, 0.5), "10": (0, 0.1, 0.1)}


def ours_of(stays):
    return [{"id": name, "fold": number % 2, "label": label, "target": target, "logit": 0,
             "probability": said if label == "death" else 0.5}
            for number, (name, (target, said, _)) in enumerate(stays.items())
            for label in ("death", "other")]


def peer_of(stays):
    return [{"model": "xgboost", "id": name, "fold": number % 2, "target": target, "probability": said}
            for number, (name, (target, _, said)) in enumerate(stays.items())]


@pytest.fixture
def folder(tmp_path):
    rows = ours_of(STAYS) + [{"id": "11", "fold": 0, "label": "death", "target": "", "logit": 0,
                              "probability": 0.3}]
    for fold in (0, 1):
        write(tmp_path / f"fold-{fold}" / "predictions.csv", [row for row in rows if row["fold"] == fold])
    write(tmp_path / "peer.csv", peer_of(STAYS))
    return tmp_path


def test_auroc_and_auprc_by_hand(folder):
    status, figures, stdout, stderr = compare(folder)
    assert status == 0, stderr
    # Of the four pairs ours orders three rightly and the peer two.
    assert figures["auroc"]["ours"] == pytest.approx(3 / 4)
    assert figures["auroc"]["peer"] == pytest.approx(2 / 4)
    assert figures["auroc"]["difference"] == pytest.approx(1 / 4)
    assert figures["auprc"]["ours"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["auprc"]["peer"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert "utility" not in figures, "there is one row a stay"
    # The one pair that only ours orders rightly is drawn never or as all four, each more often than
    # once in forty times.
    assert figures["auroc"]["low"] == 0 and figures["auroc"]["high"] == 1
    assert stdout.startswith("4 rows of 4 stays, prevalence 0.5000\n")


def test_equal_scores_count_half(folder):
    write(folder / "peer.csv", peer_of({name: (target, said, 0.5)
                                        for name, (target, said, _) in STAYS.items()}))
    assert compare(folder)[1]["auroc"]["peer"] == pytest.approx(1 / 2)


def test_a_model_against_itself_differs_by_nothing(folder):
    write(folder / "peer.csv", peer_of({name: (target, said, said)
                                        for name, (target, said, _) in STAYS.items()}))
    for figure in compare(folder)[1].values():
        assert figure["difference"] == figure["low"] == figure["high"] == 0


def test_the_same_seed_gives_the_same_interval(folder):
    assert compare(folder)[1] == compare(folder)[1]


def test_utility_by_hand(tmp_path):
    """Sepsis of stay b begins at hour 14, six hours after its first label; a has none."""
    septic = [hour >= 8 for hour in range(12)]
    rows, peer = [], []
    for name, targets, called, peer_called in (("a", [False] * 12, [], [0]),
                                               ("b", septic, [8, 9, 10, 11], [10, 11])):
        for hour, target in enumerate(targets):
            rows.append({"id": name, "fold": 0, "hour": hour, "label": "sepsis", "target": int(target),
                         "logit": 0, "probability": 0.4 if hour in called else 0.2})
            peer.append({"model": "trees", "id": name, "fold": 0, "hour": hour + 1, "target": int(target),
                         "probability": 0.8 if hour in peer_called else 0.6, "threshold": 0.7})
    run = tmp_path / "fold-0"
    write(run / "predictions.csv", rows)
    write(tmp_path / "peer.csv", list(reversed(peer)))
    (run / "bundle").mkdir()
    (run / "bundle" / "bundle.toml").write_text(
        '[[operating_point]]\nname = "utility"\nlabel = "sepsis"\nthreshold = 0.4\n'
        '[[operating_point]]\nname = "never"\nlabel = "sepsis"\nthreshold = 0.9\n')
    status, figures, _, stderr = compare(tmp_path)
    assert status == 0, stderr
    # What calling adds at 12 to 7 hours before the onset, and at 6 to 3, where missing costs too.
    best = (0 + 1 + 2 + 3 + 4 + 5) / 6 + (9 + 10 + 11 + 12) / 9
    assert figures["utility"]["ours"] == pytest.approx((9 + 10 + 11 + 12) / 9 / best)
    assert figures["utility"]["peer"] == pytest.approx(((11 + 12) / 9 - 0.05) / best)
    assert figures["utility"]["difference"] == pytest.approx(((9 + 10) / 9 + 0.05) / best)
    assert compare(tmp_path, "--rule", "never")[1]["utility"]["ours"] == 0
    assert "utility" not in compare(tmp_path, "--rule", "youden")[1], "no such threshold"


@pytest.mark.parametrize("change, said", [
    (lambda rows: rows[:-1], "1 rows differ"),
    (lambda rows: rows[:-1] + [rows[-1] | {"target": 1}], "1 targets differ"),
    (lambda rows: [row | {"fold": 1 - row["fold"]} for row in rows], "4 folds differ"),
    (lambda rows: rows + [row | {"model": "lr"} for row in rows], "holds lr, xgboost; name one"),
])
def test_other_cases_are_refused(folder, change, said):
    write(folder / "peer.csv", change(peer_of(STAYS)))
    status, figures, stdout, stderr = compare(folder)
    assert status == 1 and figures is None and stdout == ""
    assert stderr.startswith("error: ") and said in stderr


def test_a_model_or_label_that_is_not_there_is_named(folder):
    write(folder / "peer.csv", peer_of(STAYS) + [row | {"model": "lr"} for row in peer_of(STAYS)])
    assert compare(folder, "--model", "lr")[0] == 0
    assert "no model forest; it holds lr, xgboost" in compare(folder, "--model", "forest")[3]
    assert "no rows of the label sepsis" in compare(folder, "--model", "lr", "--label", "sepsis")[3]


def test_the_label_that_is_named_is_compared(folder):
    assert compare(folder, "--label", "other")[1]["auroc"]["ours"] == pytest.approx(1 / 2)
