"""scripts/setup on machines that are not Debian or Ubuntu."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("bash", "dirname", "cat", "grep", "sed", "paste", "cksum", "awk")


def write_program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def setup(tmp_path):
    """setup(**environment) runs a copy of the script that finds no apt-get, and a pip that does nothing."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    write_program(tmp_path / "bin" / "df", "printf 'head\\na b c 99999999\\n'")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    write_program(tmp_path / ".venv" / "bin" / "pip", "exit 0")

    def run(*arguments, **environment):
        return subprocess.run(["bash", tmp_path / "scripts" / "setup", *arguments], text=True,
                              env={"PATH": str(tmp_path / "bin"), **environment},
                              capture_output=True)

    return run


def test_without_apt_get_it_says_what_to_install_and_how_to_go_on(setup):
    result = setup("--cpu")
    assert result.returncode == 1
    for mention in ("libdcmtk-dev", "clang-format-19", "SALUS_SKIP_PACKAGES=1"):
        assert mention in result.stderr


def test_it_goes_on_without_packages_when_told_to(setup):
    result = setup("--cpu", SALUS_SKIP_PACKAGES="1")
    assert result.returncode == 0, result.stderr
    assert "no system packages" in result.stderr and "complete" in result.stderr


def test_help_names_the_way_without_apt_get(setup):
    result = setup("--help")
    assert result.returncode == 0 and "SALUS_SKIP_PACKAGES=1" in result.stdout
