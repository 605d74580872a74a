"""Runs the program the way a user does: arguments in; exit status, stdout and stderr out.

The environment variable SALUS names the binary (scripts/run_tests.py sets it); SALUS_DATA may name the
folder with the full data sets, without which the tests that want them are skipped.
"""

import dataclasses
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

import dicom_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PNEUMONIA = DATA / "pneumoniamnist" / "pneumoniamnist.npz"
DONE, FAILED, WRONG_USE, SOME_SKIPPED = 0, 1, 2, 3

# A network that trains in a second on 512 of PneumoniaMNIST's images.
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
[train]
epochs = 2
batch_size = 64
seed = 7
precision = "fp32"
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


def run_salus(*arguments, stdin="", cwd=ROOT, environment=None, timeout=100):
    binary = os.environ.get("SALUS", str(ROOT / "build" / "dev" / "tools" / "salus"))
    finished = subprocess.run(
        [binary, *map(str, arguments)], input=stdin, capture_output=True, text=True, cwd=cwd,
        env={**os.environ, **(environment or {})}, timeout=timeout)
    return Result(finished.returncode, finished.stdout, finished.stderr)


def assert_error(result, status, *mentions):
    """The run failed with `status` and one whole sentence on stderr that names every `mentions`."""
    assert result.status == status, result.everything()
    assert result.stdout == "", "a failed command must not print results"
    assert result.stderr.startswith("error: "), result.stderr
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
    for part, count in (("train", 512), ("val", 128), ("test", 128)):
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
def ct_bundle(tiny):
    """A bundle that takes CT in Hounsfield units, grey, and nothing else."""
    result = run_salus("train", tiny / "tiny.toml", "--fast-dev-run", "--out", tiny / "ct",
                       'accept.modalities=["CT"]', "accept.unit=HU", "accept.samples=1",
                       "transform.window=[40, 400]")
    assert result.status == DONE, result.everything()
    return tiny / "ct" / "bundle"
