"""`cmake --install` and find_package(salus): a project outside the tree builds and runs against it."""

import math
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT

CONSUMER = ROOT / "tests" / "package" / "consumer"


def run(*command, **how):
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              env=environment, **how)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where the build that is under test was installed."""
    build = pathlib.Path(os.environ["SALUS"]).resolve().parents[1]
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build, "--prefix", folder)
    return folder


def test_installed_program_runs(prefix):
    assert "resnet18" in run(prefix / "bin" / "salus", "models", cwd="/")


def test_installed_headers_are_those_of_the_libraries_only(prefix):
    include = prefix / "include" / "salus"
    assert sorted(p.name for p in include.iterdir()) == ["engine", "kernels", "models"]
    assert {p.suffix for p in include.rglob("*") if p.is_file()} == {".h"}


def test_installed_package_does_not_name_the_source_tree(prefix):
    for path in (prefix / "lib" / "cmake" / "salus").glob("salusTargets*.cmake"):
        text = path.read_text().replace(str(ROOT / ".venv"), "")
        assert str(ROOT) not in text, f"{path.name} points into the source tree"


def test_project_outside_the_tree_adds_a_model_and_scores(prefix, tmp_path):
    build = tmp_path / "build"
    run("cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    pixels = np.random.default_rng(3).integers(0, 256, (64, 96), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    printed = run(build / "consumer", tmp_path / "image.png")
    found = re.fullmatch(r"64 x 96, mean brightness (\S+), probability (\S+)\n", printed)
    assert found, printed
    assert float(found[1]) == pytest.approx(pixels.mean() / 255, abs=1e-5)
    assert float(found[2]) == pytest.approx(1 / (1 + math.exp(-pixels.mean() / 255)), abs=1e-5)
