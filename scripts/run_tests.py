"""Runs the test binaries of a build folder and the command-line tests, and sums their results.

usage: run_tests.py BUILD_FOLDER [NAME...]
A NAME selects binaries whose name contains it, or else tests whose name contains it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import test_python

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_binary(binary, test_filter):
    """(passed, failed, skipped, names of failures) of one GoogleTest binary."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "result.json"
        command = [str(binary), f"--gtest_output=json:{out}", "--gtest_brief=1"]
        if test_filter:
            command.append("--gtest_filter=" + test_filter)
        # Threads that wait for each other sleep: on a busy machine, those that spin instead take
        # several times as much processor time as the tests themselves.
        env = {"OMP_WAIT_POLICY": "passive", **os.environ}
        code = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL).returncode
        if not out.exists():
            return 0, 1, 0, [f"{binary.name} died with exit status {code}"]
        result = json.loads(out.read_text())
    passed, skipped, failures = 0, 0, []
    for suite in result["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{binary.name}: {suite['name']}.{test['name']}"
            if test["result"] == "SKIPPED":
                skipped += 1
                print(f"skipped {name}")
            elif test["result"] == "COMPLETED" and "failures" not in test:
                passed += 1
            elif test["result"] == "COMPLETED":
                failures.append(name)
    if code != 0 and not failures:
        failures.append(f"{binary.name} exited with {code}")
    return passed, len(failures), skipped, failures


def run_pytest(python, build, names):
    """The same for tests of the command line, which are written in Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/tools",
                   f"--junitxml={report}"]
        if names:
            command += ["-k", " or ".join(names)]
        env = dict(os.environ, SALUS=str(build / "tools" / "salus"))
        code = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL).returncode
        if code == 5 and names:  # nothing selected here
            return 0, 0, 0, []
        if not report.exists():
            return 0, 1, 0, [f"pytest exited with {code}"]
        return test_python.count(report)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:]
    binaries = sorted((build / "tests").glob("**/*_test"))
    chosen = [b for b in binaries if any(n in b.name for n in names)]
    test_filter = ""
    if names and not chosen:
        chosen = binaries
        test_filter = ":".join(f"*{n}*" for n in names)
    elif not names:
        chosen = binaries
    totals = [0, 0, 0]
    failures = []
    python = test_python.ensure()  # before the binaries: a test of theirs needs TensorBoard
    results = [run_binary(b, test_filter) for b in chosen if b.is_file() and os.access(b, os.X_OK)]
    if (ROOT / "tests" / "tools").is_dir() and (not names or test_filter):
        results.append(run_pytest(python, build, names))
    for passed, failed, skipped, failed_names in results:
        totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
        failures += failed_names
    for name in failures:
        print(f"FAILED {name}")
    if totals[0] + totals[1] == 0:
        print("error: no test was found or none ran")
        totals[1] = 1
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
