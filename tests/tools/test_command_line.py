"""What every command has in common: help, version, wrong use, exit statuses."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest

from conftest import DONE, FAILED, PNEUMONIA, WRONG_USE, assert_error

COMMANDS = ["train", "evaluate", "predict", "explain", "inspect", "models"]


def test_help_lists_every_command(salus):
    result = salus("--help")
    assert result.status == DONE and result.stderr == ""
    for command in [*COMMANDS, "bench"]:
        assert f"\n  {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(salus, command):
    result = salus(command, "--help")
    assert result.status == DONE and result.stderr == ""
    for option in ("--help", "--json", "--device", "--threads"):
        assert option in result.stdout


def test_version(salus):
    name, number = salus("--version").stdout.split()
    assert name == "salus"
    assert all(part.isdigit() for part in number.split(".")) and number.count(".") == 2


@pytest.mark.parametrize("arguments", [[], ["diagnose"], ["--verbose"], ["models", "--device"],
                                       ["models", "resnet18"], ["models", "--threads", "two"],
                                       ["inspect", "x.dcm", "--threads", "-1"]])
def test_wrong_use_is_told_from_failure(salus, arguments):
    result = salus(*arguments)
    assert result.status == WRONG_USE, result.everything()
    assert result.stdout == "" and result.stderr.startswith("error: ")


def test_models_are_listed_with_their_options(salus):
    text, entries = salus("models").stdout, salus("models", "--json").json
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)
    assert {"resnet18", "resnet34", "resnet50", "densenet121", "smallcnn"} <= set(names)
    for entry in entries:
        assert entry["description"] and entry["name"] in text
        for option in entry["options"]:
            assert f"{option}: " in text


def test_results_can_be_cut_short_by_a_pipe():
    read, write = os.pipe()
    os.close(read)
    finished = subprocess.run([os.environ["SALUS"], "models"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert finished.stderr == b""


@pytest.mark.parametrize("word, near", [("predcit", "predict"), ("evalute", "evaluate"), ("Train", "train")])
def test_an_unknown_command_names_the_nearest(salus, word, near):
    assert_error(salus(word), WRONG_USE, f"There is no command '{word}'; did you mean '{near}'?")
    assert_error(salus(word, "--help"), WRONG_USE, f"did you mean '{near}'?")


def test_a_word_like_no_command_leads_to_the_help(salus):
    assert_error(salus("xylophone"), WRONG_USE, "There is no command 'xylophone'; see 'salus --help'.")


def run_with(redirection, *arguments):
    """The program with a standard stream redirected as a shell would: "2>&-" closes stderr."""
    command = ["bash", "-c", f'exec "$0" "$@" {redirection}', os.environ["SALUS"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def image(tmp_path):
    np.save(tmp_path / "image.npy", np.load(PNEUMONIA)["test_images"][0])
    return tmp_path / "image.npy"


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_results_that_cannot_be_written_are_an_error(bundle, image, redirection):
    for arguments in (["models"], ["models", "--json"], ["inspect", image], ["predict", bundle, image]):
        result = run_with(redirection, *arguments)
        assert result.returncode == FAILED, arguments
        (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert "Cannot write the results to standard output: " in error and error.endswith(".")
        if redirection == ">/dev/full":
            assert "No space left on device" in error


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(exec true)"])
def test_nobody_need_read_what_is_said_on_the_way(tiny, tiny_run, tmp_path, image, redirection):
    result = run_with(redirection, "train", tiny / "tiny.toml", "--out", tmp_path / "run", "--threads", 1)
    assert result.returncode == DONE and result.stdout == f"{tmp_path / 'run' / 'bundle'}\n"
    said = tiny_run[1].stderr.splitlines()
    assert len(said) > 1, "a run says something, so that this test can fail"
    for path in (tmp_path / "run").rglob("*"):  # no file was taken for stderr
        assert path.is_dir() or not any(line.encode() in path.read_bytes() for line in said), path
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1]
    scored = run_with(redirection, "predict", tmp_path / "run" / "bundle", image, tmp_path / "none.npy")
    assert scored.returncode == 3 and json.loads(scored.stdout)["id"] == str(image)


def test_a_reader_of_the_results_that_leaves_ends_the_program_quietly(bundle, image):
    result = run_with("> >(exec true)", "predict", bundle, image)
    assert result.returncode == -signal.SIGPIPE and result.stderr == ""
