"""Windows of waveforms as stays: a model of beats from a real electrocardiogram and its annotations."""

import json
import shutil

import pytest

from conftest import DATA, DONE, FAILED, SOME_SKIPPED, run_salus
from test_wfdb_stays import PIECES, RATE, SAMPLES, VARIABLES, write_pieces

CONFIG = """
[task]
kind = "binary"
labels = ["qrs"]
[data]
stays = ["records"]
outcomes = ["patients.csv"]
[data.split]
valid = 0.34
test = 0.0
[transform]
modality = "vitals"
source = "wfdb"
step = "90 Hz"
steps = 18
variables = "variables.toml"
[transform.windows]
before = "100 ms"
after = "100 ms"
at = ["N", "t"]
[transform.windows.labels]
qrs = ["N"]
[model]
name = "tcn"
hidden = 8
layers = 2
[train]
epochs = 8
batch_size = 16
precision = "fp32"
[train.optimizer]
name = "adamw"
lr = 0.01
[bundle]
micro_batch = 8
"""


def annotations():
    """[sample, code, symbol] of the first minute of record 100, as wfdb-python reads them."""
    return json.loads((DATA / "vitals" / "wfdb" / "golden.json").read_text())["annotations"]


def write_annotations(path, marks):
    """Writes (sample, code) as MIT annotations (annot(5)), whose steps are below 1,024 samples here."""
    data, before = b"", 0
    for sample, code in marks:
        data += (code << 10 | sample - before).to_bytes(2, "little")
        before = sample
    path.write_bytes(data + b"\0\0")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Pieces of 5 s, two a patient, each with its annotations."""
    folder = tmp_path_factory.mktemp("windows")
    write_pieces(folder)
    rows = ["record,patient_id"]
    for piece in range(PIECES):
        name = f"p{piece // 2}/piece{piece}"
        inside = [(sample - piece * SAMPLES, code) for sample, code, _ in annotations()
                  if 0 <= sample - piece * SAMPLES < SAMPLES]
        write_annotations(folder / "records" / f"{name}.atr", inside)
        rows.append(f"{name},P{piece // 2}")
    (folder / "patients.csv").write_text("\n".join(rows) + "\n")
    (folder / "variables.toml").write_text(VARIABLES)
    (folder / "task.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def bundle(records):
    result = run_salus("train", records / "task.toml", "--out", records / "run")
    assert result.status == DONE, result.everything()
    return records / "run" / "bundle"


def marks_of(symbols):
    return [(piece, sample - piece * SAMPLES, symbol) for sample, _, symbol in annotations()
            if symbol in symbols for piece in [sample // SAMPLES] if piece < PIECES]


def test_beats_are_told_from_t_waves(salus, records, bundle, tmp_path):
    result = salus("evaluate", bundle, records / "records", "--outcomes", records / "patients.csv",
                   "--replicates", 20, "--out", tmp_path / "out", "--json")
    assert result.status == DONE, result.everything()
    assert (result.json["n"], result.json["patients"]) == (len(marks_of("Nt")), PIECES // 2)
    assert result.json["labels"][0]["metrics"]["auroc"]["value"] > 0.95
    assert result.json["labels"][0]["positives"] == len(marks_of("N"))


def test_a_window_is_named_by_record_and_sample(salus, records, bundle):
    result = salus("predict", bundle, records / "records")
    assert result.status == DONE, result.everything()
    assert [line["id"] for line in result.lines] == [
        f"p{piece // 2}/piece{piece}@{sample}"
        for piece, sample, _ in sorted(marks_of("Nt"), key=lambda mark: (f"p{mark[0] // 2}/piece{mark[0]}", mark[1]))]


def test_a_record_without_annotations_is_skipped(salus, records, bundle, tmp_path):
    folder = tmp_path / "records"
    shutil.copytree(records / "records" / "p0", folder)
    (folder / "piece0.atr").unlink()
    result = salus("predict", bundle, folder)
    assert result.status == SOME_SKIPPED, result.everything()
    assert "piece0.atr" in result.stderr
    assert all(line["id"].startswith("piece1@") for line in result.lines)


def test_steps_below_a_second_are_not_streamed(salus, bundle, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("stay_id,time,variable,value\na,0,II,1\n")
    result = salus("predict", bundle, rows, "--follow")
    assert result.status == FAILED
    assert "less than one second" in result.stderr


def test_windows_of_a_length_follow_each_other(salus, records, tmp_path):
    config = (records / "task.toml").read_text()
    config = config.replace('before = "100 ms"\nafter = "100 ms"\nat = ["N", "t"]\n', 'length = "0.4 s"\n')
    config = config.replace("steps = 18", "steps = 36").replace("epochs = 8", "epochs = 1")
    (records / "turn.toml").write_text(config)
    result = salus("train", records / "turn.toml", "--out", tmp_path / "run")
    assert result.status == DONE, result.everything()
    result = salus("predict", tmp_path / "run" / "bundle", records / "records" / "p0" / "piece0.hea")
    every = round(0.4 * RATE)
    assert [line["id"] for line in result.lines] == [f"piece0@{at}" for at in range(0, SAMPLES, every)]
