"""The environment of the tests that are written in Python (.venv-test), and their results."""

import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-test"
REQUIREMENTS = ROOT / "scripts" / "requirements-test.txt"


def ensure():
    """Installs what requirements-test.txt pins, once; returns the interpreter."""
    stamp = VENV / ".requirements"
    python = VENV / "bin" / "python"
    wanted = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print("== Installing the test-only Python packages into .venv-test", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted)
    return python


def count(report):
    """(passed, failed, skipped, names of failures) of a JUnit XML file."""
    passed, skipped, failures = 0, 0, []
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(name)
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"skipped {name}: {case.find('skipped').get('message')}")
        else:
            passed += 1
    return passed, len(failures), skipped, failures
