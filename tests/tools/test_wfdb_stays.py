"""WFDB records as stays: train, evaluate and predict on pieces of a real electrocardiogram."""

import re
import shutil

import pytest

from conftest import DATA, DONE, FAILED, SOME_SKIPPED, assert_error

RECORDS = DATA / "vitals" / "wfdb"
PIECES, SAMPLES, RATE = 12, 1800, 360

CONFIG = """
[task]
kind = "binary"
labels = ["late"]
[data]
stays = ["records"]
outcomes = ["outcomes.csv"]
[data.split]
valid = 0.34
test = 0.0
[transform]
modality = "vitals"
source = "wfdb"
step = "1 s"
steps = 6
variables = "variables.toml"
[model]
name = "gru"
hidden = 4
summary = 1
[train]
epochs = 2
batch_size = 4
precision = "fp32"
[bundle]
micro_batch = 4
"""

VARIABLES = """
[[variable]]
name = "II"
aliases = ["MLII"]
unit = "uV"
aggregate = "max"
[[variable]]
name = "V5"
unit = "mV"
aggregate = "mean"
"""


def write_pieces(folder):
    """The first minute of record 100 in pieces of 5 s, two a folder and patient."""
    samples = (RECORDS / "100_16.dat").read_bytes()
    header = (RECORDS / "100_16.hea").read_text().splitlines()
    signals = [line.split() for line in header[1:3]]
    lines = ["record,patient_id,late"]
    for piece in range(PIECES):
        name = folder / "records" / f"p{piece // 2}" / f"piece{piece}"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.with_suffix(".dat").write_bytes(samples[piece * SAMPLES * 4:(piece + 1) * SAMPLES * 4])
        rows = [f"{name.name}.dat 16 {words[2]} {words[3]} {words[4]} {words[-1]}" for words in signals]
        rows = [row.rsplit(" ", 1)[0] + f" {first(samples, piece, s)} {checksum(samples, piece, s)} 0 "
                + row.rsplit(" ", 1)[1] for s, row in enumerate(rows)]
        name.with_suffix(".hea").write_text(f"{name.name} 2 {RATE} {SAMPLES}\n" + "\n".join(rows) + "\n")
        lines.append(f"p{piece // 2}/piece{piece},P{piece // 2},{int(piece % 4 >= 2)}")
    (folder / "outcomes.csv").write_text("\n".join(lines) + "\n")
    (folder / "variables.toml").write_text(VARIABLES)
    (folder / "task.toml").write_text(CONFIG)


def values(samples, piece, signal):
    begin = piece * SAMPLES * 4
    return [int.from_bytes(samples[at:at + 2], "little", signed=True)
            for at in range(begin + 2 * signal, begin + SAMPLES * 4, 4)]


def first(samples, piece, signal):
    return values(samples, piece, signal)[0]


def checksum(samples, piece, signal):
    total = sum(values(samples, piece, signal)) & 0xFFFF
    return total - 0x10000 if total > 0x7FFF else total


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wfdb")
    write_pieces(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(pieces):
    from conftest import run_salus

    result = run_salus("train", pieces / "task.toml", "--out", pieces / "run")
    assert result.status == DONE, result.everything()
    return pieces / "run" / "bundle"


def test_records_of_folders_are_scored(salus, pieces, bundle):
    result = salus("predict", bundle, pieces / "records")
    assert result.status == DONE, result.everything()
    assert sorted(line["id"] for line in result.lines) == sorted(
        f"p{piece // 2}/piece{piece}" for piece in range(PIECES))
    one = salus("predict", bundle, pieces / "records" / "p0" / "piece1.hea")
    assert [line["id"] for line in one.lines] == ["piece1"]
    same = next(line for line in result.lines if line["id"] == "p0/piece1")
    assert one.lines[0]["probabilities"] == same["probabilities"]


def test_a_record_of_segments_is_scored_as_the_one_it_was_cut_of(salus, pieces, bundle, tmp_path):
    """The first second of a piece, a gap of a second, and the rest, which begins in the third second."""
    samples = (pieces / "records" / "p0" / "piece0.dat").read_bytes()
    signals = [line.split() for line in (pieces / "records" / "p0" / "piece0.hea").read_text().splitlines()[1:]]
    lengths = {"r1": RATE, "r2": SAMPLES - 2 * RATE}
    for name, begin in (("r1", 0), ("r2", 2 * RATE)):
        (tmp_path / f"{name}.dat").write_bytes(samples[begin * 4:(begin + lengths[name]) * 4])
        rows = [f"{name}.dat 16 {words[2]} {words[3]} {words[4]}" for words in signals]
        (tmp_path / f"{name}.hea").write_text(f"{name} 2 {RATE} {lengths[name]}\n" + "".join(
            f"{row} {int.from_bytes(samples[4 * begin + 2 * s:][:2], 'little', signed=True)} 0 0 {signals[s][-1]}\n"
            for s, row in enumerate(rows)))
    (tmp_path / "r.hea").write_text(f"r/3 2 {RATE} {SAMPLES}\nr1 {RATE}\n~ {RATE}\nr2 {lengths['r2']}\n")
    joined = salus("predict", bundle, tmp_path)
    assert joined.status == DONE, joined.everything()
    assert [line["id"] for line in joined.lines] == ["r"]
    whole = tmp_path / "whole"
    whole.mkdir()
    invalid = (-32768).to_bytes(2, "little", signed=True) * 2 * RATE
    (whole / "r.dat").write_bytes(samples[:RATE * 4] + invalid + samples[2 * RATE * 4:SAMPLES * 4])
    (whole / "r.hea").write_text(f"r 2 {RATE} {SAMPLES}\n" + "".join(
        f"r.dat 16 {words[2]} {words[3]} {words[4]} {words[5]} 0 0 {words[-1]}\n" for words in signals))
    same = salus("predict", bundle, whole)
    assert joined.lines[0]["probabilities"] == same.lines[0]["probabilities"]


def test_records_are_evaluated_against_their_outcomes(salus, pieces, bundle, tmp_path):
    result = salus("evaluate", bundle, pieces / "records", "--outcomes", pieces / "outcomes.csv",
                   "--replicates", 20, "--out", tmp_path / "out", "--json")
    assert result.status == DONE, result.everything()
    assert (result.json["n"], result.json["patients"]) == (PIECES, PIECES // 2)


def test_the_bundle_has_units_and_seconds(bundle):
    text = (bundle / "bundle.toml").read_text()
    assert "source = 'wfdb'" in text and float(re.search(r"^step = (.*)$", text, re.M)[1]) * 3600 == pytest.approx(1)
    assert "unit = 'uV'" in text and "steps = 6" in text


def test_an_unknown_channel_is_refused_unless_told_otherwise(salus, pieces, bundle, tmp_path):
    (tmp_path / "variables.toml").write_text(VARIABLES.replace("V5", "V1"))
    overrides = [f"data.root={pieces}", f"transform.variables={tmp_path / 'variables.toml'}"]
    result = salus("train", pieces / "task.toml", "--out", tmp_path / "run", *overrides)
    assert_error(result, FAILED, '"V5"', "unknown =")
    result = salus("train", pieces / "task.toml", "--out", tmp_path / "run", "--fast-dev-run",
                   "transform.unknown=drop", *overrides)
    assert result.status == DONE, result.everything()
    assert salus("predict", tmp_path / "run" / "bundle", pieces / "records").status == DONE


def test_an_unknown_unit_is_refused_with_its_record(salus, pieces, bundle, tmp_path):
    shutil.copytree(pieces / "records" / "p0", tmp_path / "p0")
    header = tmp_path / "p0" / "piece0.hea"
    header.write_text(header.read_text().replace("/mV", "/mmHg"))
    assert_error(salus("predict", bundle, tmp_path / "p0"), FAILED, "mmHg", "II", '"piece0" at hour 0',
                 "variables table")


def take_away_samples(folder, name):
    (folder / f"{name}.dat").unlink()
    return f"{name}.dat"


def state_format_516(folder, name):
    header = folder / f"{name}.hea"
    header.write_text(header.read_text().replace(".dat 16 ", ".dat 516 "))
    return "format 516"


@pytest.mark.parametrize("spoil", [take_away_samples, state_format_516])
def test_a_record_that_cannot_be_read_is_skipped_and_named(salus, pieces, bundle, tmp_path, spoil):
    shutil.copytree(pieces / "records" / "p0", tmp_path / "p0")
    good = {line["id"]: line["probabilities"] for line in salus("predict", bundle, tmp_path / "p0").lines}
    mention = spoil(tmp_path / "p0", "piece1")
    result = salus("predict", bundle, tmp_path / "p0")
    assert result.status == SOME_SKIPPED, result.everything()
    assert {line["id"]: line["probabilities"] for line in result.lines} == {"piece0": good["piece0"]}
    skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 1 and "piece1" in skipped[0] and mention in skipped[0]
    assert "1 of 2 inputs were skipped." in result.stderr
    spoil(tmp_path / "p0", "piece0")
    result = salus("predict", bundle, tmp_path / "p0")
    assert result.status == FAILED and result.stdout == "", result.everything()
    assert "2 of 2 inputs were skipped." in result.stderr


def test_whole_records_are_scored_and_their_other_channels_named(salus, bundle, full_data):
    result = salus("predict", bundle, full_data / "wfdb" / "100")
    assert result.status == DONE, result.everything()
    assert [line["id"] for line in result.lines] == ["100"]
    assert_error(salus("predict", bundle, full_data / "wfdb"), FAILED, '"V1"', "unknown =")
