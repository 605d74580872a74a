"""What every command has in common: help, version, wrong use, exit statuses."""

import os
import subprocess

import pytest

from conftest import DONE, WRONG_USE

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
