"""Labels of steps that are made from the data: an onset at several horizons, the next values."""

import math
import csv
import random
import statistics

import pytest

from conftest import DATA, DONE, FAILED, WRONG_USE, assert_error

SEPSIS = DATA / "vitals" / "physionet2019"

ONSETS = """
[task]
kind = "multilabel"
labels = ["shock within 3 h", "shock within 6 h"]
[data]
events = "events.csv"
labels_file = "labels.csv"
onset = "onset_hour"
horizons = [3, 6]
[data.split]
valid = 0.4
test = 0.0
[transform]
modality = "vitals"
source = "long"
steps = 24
variables = "variables.toml"
[model]
name = "gru"
hidden = 8
[train]
epochs = 30
batch_size = 8
precision = "fp32"
optimizer.lr = 0.02
[bundle]
micro_batch = 8
"""

VARIABLES = '[[variable]]\nname = "HR"\n[[variable]]\nname = "MAP"\nunit = "mmHg"\n'


def write_stays(folder):
    """40 stays of 20 hours; in every other one the pressure falls from 6 h before the onset on."""
    draw = random.Random(1)
    events, labels = ["stay_id,time,variable,value"], ["stay_id,onset_hour"]
    for stay in range(40):
        onset = draw.randint(9, 17) if stay % 2 else None
        labels.append(f"s{stay},{onset or ''}")
        for hour in range(20):
            fall = max(0, hour - onset + 6) if onset else 0
            events.append(f"s{stay},{hour},MAP,{80 - 5 * fall + draw.gauss(0, 1):.2f}")
            events.append(f"s{stay},{hour},HR,{75 + draw.gauss(0, 3):.2f}")
    (folder / "events.csv").write_text("\n".join(events) + "\n")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "variables.toml").write_text(VARIABLES)


def train(folder, config, *overrides):
    from conftest import run_salus

    (folder / "task.toml").write_text(config)
    result = run_salus("train", folder / "task.toml", "--out", folder / "run", *overrides)
    assert result.status == DONE, result.everything()
    return folder / "run" / "bundle"


@pytest.fixture(scope="module")
def onsets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onsets")
    write_stays(folder)
    return folder


@pytest.fixture(scope="module")
def onset_bundle(onsets):
    return train(onsets, ONSETS)


def test_every_step_has_a_risk_for_each_horizon(salus, onsets, onset_bundle):
    result = salus("predict", onset_bundle, onsets / "events.csv")
    assert result.status == DONE, result.everything()
    assert len(result.lines) == 40 * 20
    assert [line["hour"] for line in result.lines[:20]] == list(range(20))
    for line in result.lines:
        assert list(line["probabilities"]) == ["shock within 3 h", "shock within 6 h"]


def test_horizons_are_evaluated_on_the_steps_that_are_known(salus, onsets, onset_bundle, tmp_path):
    result = salus("evaluate", onset_bundle, onsets / "events.csv", "--labels-file",
                   onsets / "labels.csv", "--replicates", 20, "--out", tmp_path / "out", "--json")
    assert result.status == DONE, result.everything()
    onset_of = dict(line.split(",") for line in (onsets / "labels.csv").read_text().split()[1:])
    for label, horizon in zip(result.json["labels"], (3, 6)):
        # Septic stays have a label at the hours before the onset, of which the last h are positive;
        # the others, seen until 19 h, at those with t + h <= 19.
        ill = [int(hour) for hour in onset_of.values() if hour]
        known = sum(ill) + (40 - len(ill)) * (20 - horizon)
        assert (label["n"], label["positives"]) == (known, horizon * len(ill))
        assert label["positive_stays"] == len(ill)
        assert label["metrics"]["auroc"]["value"] > 0.9
        lead = label["operating_points"][0]["stays"]["lead_hours_median"]["value"]
        assert lead == pytest.approx(median_lead(tmp_path / "out", label["label"], onset_of), abs=0.51)


def median_lead(folder, label, onset_of):
    """Hours from the first alarm of a stay to the onset that the file of labels says."""
    leads = {}
    for row in csv.DictReader((folder / "predictions.csv").open()):
        onset = onset_of[row["id"]]
        if onset and row[f"decision:{label}"] == "1" and row[f"target:{label}"]:
            leads.setdefault(row["id"], int(onset) - float(row["hour"]))
    return statistics.median(leads.values())


def test_a_bundle_beside_itself_has_the_utility_of_its_evaluation(salus, onsets, onset_bundle, tmp_path):
    result = salus("evaluate", onset_bundle, onsets / "events.csv", "--labels-file",
                   onsets / "labels.csv", "--replicates", 20, "--out", tmp_path / "out", "--json",
                   "--against", onset_bundle)
    assert result.status == DONE, result.everything()
    for label in result.json["labels"]:
        alone = label["operating_points"][0]["stays"]["utility"]["value"]
        both = [row for row in result.json["comparisons"]
                if row["metric"] == "utility" and row["label"] == label["label"]]
        assert [(row["first"], row["second"]) for row in both] == [(pytest.approx(alone), pytest.approx(alone))]


def test_the_bundle_keeps_what_it_was_asked(onset_bundle):
    text = (onset_bundle / "bundle.toml").read_text()
    assert "[transform.targets]" in text and "horizons" in text and "onset_hour" in text


def test_the_onset_of_physionet_2019_is_the_first_label(salus, onsets, tmp_path):
    config = ONSETS.replace('events = "events.csv"\nlabels_file = "labels.csv"', 'stays = ["."]')
    config = config.replace('"onset_hour"', '"SepsisLabel"\nlabel_lead = 6').replace("= 30", "= 2")
    config = config.replace('"long"', '"physionet2019"').replace("steps = 24", "steps = 72")
    (tmp_path / "variables.toml").write_text(VARIABLES)
    bundle = train(tmp_path, config, f"data.root={SEPSIS}",
                   f"transform.variables={tmp_path / 'variables.toml'}")
    result = salus("evaluate", bundle, SEPSIS, "--replicates", 0, "--out", tmp_path / "out", "--json")
    assert result.status == DONE, result.everything()
    positives, known = 0, 0
    for path in SEPSIS.glob("*.psv"):
        labels = [line.rsplit("|", 1)[1] for line in path.read_text().splitlines()[1:]]
        hours = len(labels)
        onset = labels.index("1") + 6 if "1" in labels else None
        for hour in range(min(hours, 72)):
            if onset is None:
                known += hour + 3 <= hours - 1
            elif hour < onset:
                known += 1
                positives += onset <= hour + 3
    assert result.json["labels"][0]["n"] == known
    assert result.json["labels"][0]["positives"] == positives > 0


def test_an_onset_that_is_not_there_is_named(salus, onsets, onset_bundle, tmp_path):
    (tmp_path / "labels.csv").write_text("stay_id,death\ns1,0\n")
    result = salus("evaluate", onset_bundle, onsets / "events.csv", "--labels-file",
                   tmp_path / "labels.csv", "--out", tmp_path / "out")
    assert_error(result, WRONG_USE, "onset_hour")
    (tmp_path / "task.toml").write_text(ONSETS.replace("horizons = [3, 6]", "horizons = [3]"))
    result = salus("train", tmp_path / "task.toml", "--out", tmp_path / "run", f"data.root={onsets}",
                   f"transform.variables={onsets / 'variables.toml'}")
    assert_error(result, WRONG_USE, "2 outputs")


NEXT = """
[task]
kind = "regression"
labels = ["next HR", "next MAP"]
[data]
events = "events.csv"
next = ["HR", "MAP"]
[data.split]
valid = 0.25
test = 0.0
[transform]
modality = "vitals"
source = "long"
steps = 24
variables = "variables.toml"
[model]
name = "gru"
hidden = 16
[train]
epochs = 40
batch_size = 8
precision = "fp32"
monitor = "rmse"
optimizer.lr = 0.02
[bundle]
micro_batch = 8
"""


def waves(stay, hour):
    """Heart rate and pressure that swing with a period of 6 h; every fifth pressure is missing."""
    phase = 2 * math.pi * (hour + stay) / 6
    pressure = None if (hour + stay) % 5 == 0 else 70 + 15 * math.cos(phase)
    return {"HR": 80 + 10 * math.sin(phase), "MAP": pressure}


def write_waves(folder, stays):
    rows = [f"w{stay},{hour},{name},{value:.3f}" for stay in stays for hour in range(24)
            for name, value in waves(stay, hour).items() if value is not None]
    (folder / "events.csv").write_text("stay_id,time,variable,value\n" + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def next_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("next")
    write_waves(folder, range(32))
    (folder / "variables.toml").write_text(VARIABLES)
    return train(folder, NEXT)


def test_the_next_values_are_said_better_than_that_they_stay(salus, next_bundle, tmp_path):
    write_waves(tmp_path, range(100, 112))
    result = salus("evaluate", next_bundle, tmp_path / "events.csv", "--replicates", 20, "--out",
                   tmp_path / "out", "--json")
    assert result.status == DONE, result.everything()
    for label, name in zip(result.json["labels"], ("HR", "MAP")):
        series = [[waves(stay, hour)[name] for hour in range(24)] for stay in range(100, 112)]
        pairs = [(now, after) for values in series for now, after in zip(values, values[1:])]
        assert label["n"] == sum(after is not None for _, after in pairs), "only measured values count"
        change = [abs(now - after) for now, after in pairs if None not in (now, after)]
        mae = label["metrics"]["mae"]["value"]
        assert 0 < mae < 0.5 * sum(change) / len(change), "persistence is worse, in the same unit"
    rows = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert rows[0] == "id,hour,next HR,next MAP,decision:next HR,decision:next MAP,target:next HR,target:next MAP"
    cells = rows[1].split(",")
    assert abs(float(cells[6]) - waves(100, 1)["HR"]) < 1e-3 and abs(float(cells[7]) - waves(100, 1)["MAP"]) < 1e-3


def test_values_are_predicted_in_their_unit_hour_by_hour(salus, next_bundle, tmp_path):
    write_waves(tmp_path, [200])
    result = salus("predict", next_bundle, tmp_path / "events.csv")
    assert result.status == DONE, result.everything()
    assert [line["hour"] for line in result.lines] == list(range(24))
    for line in result.lines[6:23]:
        assert abs(line["values"]["next HR"] - waves(200, line["hour"] + 1)["HR"]) < 8
    rows = (tmp_path / "events.csv").read_text()
    follow = salus("predict", next_bundle, "-", "--follow", stdin=rows)
    last = [line for line in follow.lines if "values" in line][-1]
    assert last["values"]["next HR"] == pytest.approx(result.lines[-1]["values"]["next HR"], abs=1e-3)


def test_validation_is_in_standard_deviations(next_bundle):
    rows = (next_bundle.parent / "log.csv").read_text().splitlines()
    rmse = rows[0].split(",").index("valid_rmse")
    assert float(rows[-1].split(",")[rmse]) < 0.5 < float(rows[1].split(",")[rmse]) < 2
    card = (next_bundle / "MODEL_CARD.md").read_text()
    assert "next HR" in card


def test_a_variable_that_is_not_there_is_named(salus, next_bundle, tmp_path):
    (tmp_path / "task.toml").write_text(NEXT.replace('"MAP"]\n[data.split]', '"MAB"]\n[data.split]'))
    result = salus("train", tmp_path / "task.toml", "--out", tmp_path / "run",
                   f"data.root={next_bundle.parents[1]}",
                   f"transform.variables={next_bundle.parents[1] / 'variables.toml'}")
    assert_error(result, WRONG_USE, "MAB", "MAP")
