"""Runs the program the way a user does: arguments in; exit status, stdout and stderr out.

The environment variable SALUS names the binary (scripts/run_tests.py sets it); SALUS_DATA may name the
folder with the full data sets, without which the tests that want them are skipped.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import dicom_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PNEUMONIA = DATA / "pneumoniamnist" / "pneumoniamnist.npz"
DONE, FAILED, WRONG_USE, SOME_SKIPPED = 0, 1, 2, 3

# A network that trains in a second on 256 of PneumoniaMNIST's images.
TINY_CONFIG = """
[task]
kind = "binary"
labels = ["pneumonia"]
[data]
npz = "small.npz"
[transform]
size = [28, 28]
window = "full"
mean = [0.5]
std = [0.5]
[model]
name = "smallcnn"
width = 8
[train]
epochs = 2
batch_size = 32
seed = 7
precision = "fp32"
[bundle]
micro_batch = 4
"""


# Trained from DICOM with a manifest; its bundle takes such files only.
CT_CONFIG = """
[task]
kind = "binary"
labels = ["contrast"]
[data]
manifest = "labels.csv"
patient = "patient_id"
subgroups = ["scanner"]
[transform]
size = [28, 28]
window = [40, 400]
[model]
name = "smallcnn"
width = 8
[train]
batch_size = 4
precision = "fp32"
[accept]
modalities = ["CT"]
unit = "HU"
samples = 1
[bundle]
micro_batch = 4
"""


@dataclasses.dataclass
class Result:
    """What a run of the program left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def lines(self):
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def everything(self):
        return self.stdout + self.stderr


def run_salus(*arguments, stdin="", cwd=ROOT, environment=None, timeout=300):
    binary = os.environ.get("SALUS", str(ROOT / "build" / "dev" / "tools" / "salus"))
    # One thread: these images are tiny, and waiting for each other costs threads more than the work.
    if "--threads" not in arguments and arguments and arguments[0] in ("train", "evaluate", "predict"):
        arguments = (*arguments, "--threads", 1)
    finished = subprocess.run(
        [binary, *map(str, arguments)], input=stdin, capture_output=True, text=True, cwd=cwd,
        env={**os.environ, **(environment or {})}, timeout=timeout)
    return Result(finished.returncode, finished.stdout, finished.stderr)


def assert_error(result, status, *mentions):
    """The run failed with `status` and one whole sentence on stderr that names every `mentions`."""
    assert result.status == status, result.everything()
    assert result.stdout == "", "a failed command must not print results"
    assert any(line.startswith("error: ") for line in result.stderr.splitlines()), result.stderr
    assert result.stderr.rstrip().endswith((".", "!", "?", "'")), result.stderr
    for text in mentions:
        assert str(text) in result.stderr, f"{text!r} is not in: {result.stderr}"
    dicom_files.assert_anonymous(result.stderr)


@pytest.fixture
def salus():
    return run_salus


@pytest.fixture(scope="session")
def full_data():
    """Folder of the full data sets."""
    folder = os.environ.get("SALUS_DATA")
    if not folder or not pathlib.Path(folder).is_dir():
        pytest.skip("SALUS_DATA does not name the folder of the full data sets")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder with tiny.toml and the data it trains on."""
    folder = tmp_path_factory.mktemp("tiny")
    arrays = np.load(PNEUMONIA)
    chosen = np.random.default_rng(5)
    small = {}
    for part, count in (("train", 256), ("val", 96), ("test", 96)):
        rows = chosen.permutation(len(arrays[f"{part}_images"]))[:count]
        for kind in ("images", "labels"):
            small[f"{part}_{kind}"] = arrays[f"{part}_{kind}"][rows]
    np.savez(folder / "small.npz", **small)
    (folder / "tiny.toml").write_text(TINY_CONFIG)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny):
    """Output folder of a run that trained the tiny network, and what it printed."""
    result = run_salus("train", tiny / "tiny.toml", "--out", tiny / "run")
    assert result.status == DONE, result.everything()
    return tiny / "run", result


@pytest.fixture(scope="session")
def bundle(tiny_run):
    """A bundle that scores 28 x 28 images of any kind."""
    return tiny_run[0] / "bundle"


@pytest.fixture(scope="session")
def ct_files(tmp_path_factory):
    """Twenty-four CT slices of twelve patients, whose ids are on the list of secrets."""
    folder = tmp_path_factory.mktemp("ct")
    noise = np.random.default_rng(4)
    rows = ["file,patient_id,scanner,split,contrast"]
    for i in range(24):
        patient = f"{dicom_files.IDENTITY['PatientID']}-{i // 2}"
        data = dicom_files.ct(noise.integers(900, 1300, (28, 28), np.uint16), PatientID=patient)
        dicom_files.write(data, folder / f"{i}.dcm")
        part = ("train", "train", "valid", "test")[i // 2 % 4]
        rows.append(f"{i}.dcm,{patient},{'AB'[i % 2]},{part},{i // 2 % 3 % 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "ct.toml").write_text(CT_CONFIG)
    return folder


@pytest.fixture
def ct_set(ct_files, tmp_path):
    """A copy of ct_files that a test may spoil."""
    return shutil.copytree(ct_files, tmp_path / "ct")


@pytest.fixture(scope="session")
def ct_bundle(ct_files):
    """A bundle that takes CT in Hounsfield units, grey, and nothing else."""
    result = run_salus("train", ct_files / "ct.toml", "--fast-dev-run", "--out", ct_files / "run",
                       "data.split.column=split")
    assert result.status == DONE, result.everything()
    return ct_files / "run" / "bundle"
