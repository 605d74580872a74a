"""scripts/gpu_sanitize with a compute-sanitizer and a test binary that only pretend: what it runs, and
that nothing but a clean run of at least one GPU test passes."""

import importlib.machinery
import importlib.util
import json
import pathlib
import stat
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Notes its arguments, runs the program as the real one does, and finds something where told to.
SANITIZER = """#!/usr/bin/env python3
import json, os, subprocess, sys
words = sys.argv[1:]
start = next(i for i, word in enumerate(words) if word.endswith("kernels_test"))
with open({log!r}, "a") as log:
    log.write(json.dumps([words, os.environ.get("PYTORCH_NO_CUDA_MEMORY_CACHING")]) + chr(10))
subprocess.run(words[start:])
tool = words[words.index("--tool") + 1]
sys.exit(int(words[words.index("--error-exitcode") + 1]) if tool in {faulty!r} else 0)
"""

# Writes a GoogleTest report with these results, or none at all.
TESTS = """#!/usr/bin/env python3
import json, sys
out = next(word for word in sys.argv if word.startswith("--gtest_output=json:"))
tests = {tests!r}
if tests is not None:
    with open(out.split(":", 1)[1], "w") as report:
        json.dump({{"testsuites": [{{"name": "S", "testsuite": tests}}]}}, report)
"""

PASSED = {"name": "a", "result": "COMPLETED"}
FAILED = {"name": "b", "result": "COMPLETED", "failures": [{"failure": "no"}]}
SKIPPED = {"name": "c", "result": "SKIPPED"}


def write_program(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("gpu_sanitize", str(ROOT / "scripts/gpu_sanitize"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_sanitize", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


@pytest.fixture
def sanitize(script, tmp_path, monkeypatch):
    """The script on a machine that seems to have a GPU; put(...) places tool and tests."""
    module = script
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "TOOLKIT", str(tmp_path / "none"))
    monkeypatch.setattr(module, "gpu_problem", lambda: "")
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    log = tmp_path / "log"
    binary = tmp_path / "kernels_test"

    def put(tests, faulty=(), folder=tmp_path / "bin"):
        folder.mkdir(parents=True, exist_ok=True)
        write_program(folder / "compute-sanitizer", SANITIZER.format(log=str(log), faulty=faulty))
        write_program(binary, TESTS.format(tests=tests))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")

    module.put = put
    module.binary = binary
    module.log = lambda: [json.loads(line) for line in log.read_text().splitlines()]
    return module


def run(module, *arguments):
    return module.main(["--binary", str(module.binary), *arguments])


def test_all_four_tools_check_our_kernels_in_the_gpu_tests(sanitize, capsys):
    sanitize.put([PASSED, SKIPPED])
    assert run(sanitize) == 0
    used = sanitize.log()
    assert [words[words.index("--tool") + 1] for words, _ in used] == [
        "memcheck", "racecheck", "initcheck", "synccheck"]
    for words, caching_is_off in used:
        assert words[words.index("--kernel-name") + 1] == "kns=salus"
        assert "--gtest_filter=*Cuda*" in words and caching_is_off == "1"
    assert "4 tools, 0 with findings" in capsys.readouterr().out


def test_one_tool_and_other_tests_can_be_asked_for(sanitize):
    sanitize.put([PASSED])
    assert run(sanitize, "--tool", "racecheck", "--filter", "*Clahe*") == 0
    (words, _), = sanitize.log()
    assert "racecheck" in words and "--gtest_filter=*Clahe*" in words


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_finding_of_any_tool_fails_and_the_others_still_run(sanitize, capsys, tool):
    sanitize.put([PASSED], faulty=(tool,))
    assert run(sanitize) == sanitize.FOUND
    assert len(sanitize.log()) == 4
    assert f"{tool}: 1 tests, 0 failed, exit status 86" in capsys.readouterr().out


@pytest.mark.parametrize("tests", [[PASSED, FAILED], None])
def test_failed_or_dead_tests_fail(sanitize, tests):
    sanitize.put(tests)
    assert run(sanitize) == sanitize.FOUND


@pytest.mark.parametrize("tests", [[], [SKIPPED]])
def test_no_test_that_ran_is_no_success(sanitize, tests):
    sanitize.put(tests)
    with pytest.raises(sanitize.CannotCheck, match="ran on the GPU"):
        run(sanitize)


def test_missing_test_binary_is_told(sanitize):
    sanitize.put([PASSED])
    sanitize.binary.unlink()
    with pytest.raises(sanitize.CannotCheck, match="build it first"):
        run(sanitize)


def test_missing_sanitizer_is_told_with_the_way_to_get_it(sanitize, monkeypatch):
    write_program(sanitize.binary, TESTS.format(tests=[PASSED]))
    monkeypatch.setattr(sanitize.shutil, "which", lambda name: None)
    with pytest.raises(sanitize.CannotCheck, match="--setup"):
        run(sanitize)


def test_sanitizer_of_the_environment_comes_before_that_of_the_path(sanitize, tmp_path):
    own = tmp_path / ".venv/lib/python3.11/site-packages/nvidia/cu13/bin"
    sanitize.put([PASSED], faulty=sanitize.TOOLS)
    sanitize.put([PASSED], folder=own)
    assert run(sanitize) == 0
    assert sanitize.find_sanitizer() == str(own / "compute-sanitizer")


def test_machine_without_a_gpu_is_told(script):
    if not script.gpu_problem():
        pytest.skip("a GPU is there")
    done = subprocess.run([ROOT / "scripts/check", "--gpu-sanitize"], capture_output=True, text=True)
    assert done.returncode == script.CANNOT
    assert done.stderr.startswith("error: no GPU can be used: ") and done.stderr.endswith(".\n")


def test_unknown_tool_is_wrong_use():
    done = subprocess.run([ROOT / "scripts/gpu_sanitize", "--tool", "valgrind"], capture_output=True)
    assert done.returncode == 2
