"""Runs the program the way a user does: arguments in; exit status, stdout and stderr out.

The environment variable SALUS names the binary (scripts/run_tests.py sets it); SALUS_DATA may name the
folder with the full data sets, without which the tests that want them are skipped.
"""

import dataclasses
import json
import os
import pathlib
import subprocess

import pytest

import dicom_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PNEUMONIA = DATA / "pneumoniamnist" / "pneumoniamnist.npz"
DONE, FAILED, WRONG_USE, SOME_SKIPPED = 0, 1, 2, 3

# A network small enough to train in a second; its bundle takes 28 x 28 images of any kind.
TINY_CONFIG = f"""
[task]
kind = "binary"
labels = ["pneumonia"]
[data]
npz = "{PNEUMONIA}"
[transform]
size = [28, 28]
channels = 1
window = "full"
mean = [0.5]
std = [0.5]
[model]
name = "smallcnn"
[train]
epochs = 1
batch_size = 128
seed = 7
precision = "fp32"
[train.optimizer]
name = "adamw"
lr = 0.002
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
def tiny_run(tmp_path_factory):
    """Output folder of a run that trained the tiny network for one epoch, and what it printed."""
    folder = tmp_path_factory.mktemp("tiny")
    config = folder / "tiny.toml"
    config.write_text(TINY_CONFIG)
    out = folder / "run"
    result = run_salus("train", config, "--out", out)
    assert result.status == DONE, result.everything()
    return out, result


@pytest.fixture(scope="session")
def bundle(tiny_run):
    """Folder of a bundle that scores 28 x 28 images of any kind."""
    return tiny_run[0] / "bundle"
