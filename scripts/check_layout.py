"""Checks the structure of the tree: include directions, file and function sizes, stray words.

Prints one line per finding and exits 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# folder -> folders of ours that it may include
MAY_INCLUDE = {
    "kernels": {"kernels"},
    "engine": {"kernels", "engine"},
    "models": {"kernels", "engine", "models"},
    "tools": {"kernels", "engine", "models", "tools"},
    "tests": {"kernels", "engine", "models", "tools", "tests"},
}
# inside engine/: sub-folder -> those it may include
ENGINE_MAY_INCLUDE = {
    "io": {"io"},
    "core": {"io", "core"},
    "evaluate": {"io", "evaluate"},
    "report": {"io", "evaluate", "report"},
    "data": {"io", "core", "data"},
    "similar": {"io", "core", "similar"},
    "infer": {"io", "core", "data", "evaluate", "infer"},
    "stream": {"io", "core", "data", "evaluate", "infer", "stream"},
    "explain": {"io", "core", "data", "evaluate", "infer", "explain"},
    "train": {"io", "core", "data", "evaluate", "infer", "train"},
    "measure": {"io", "core", "data", "evaluate", "infer", "train", "measure"},
}
# plain headers of the vocabulary that any folder may include
VOCABULARY = {"engine/core/task.h"}
NO_TORCH = ("engine/io/", "engine/evaluate/", "engine/report/")
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "CONTRIBUTING.md", "LICENSE", "README.md", "engine",
             "kernels", "models", "scripts", "tests", "tools", "weights"}
MAX_LINES = 400
MAX_FUNCTION = 80
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|not implemented|placeholder|stub)\b", re.IGNORECASE)


def listed(*arguments):
    names = subprocess.run(["git", "ls-files", *arguments], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).exists()]


def sources():
    return [name for name in listed("-co", "--exclude-standard", "--", *MAY_INCLUDE)
            if name.endswith((".h", ".cpp", ".cu", ".cuh"))]


def include_findings(name, lines):
    parts = name.split("/")
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s*["<]((kernels|engine|models|tools|tests)/[^">]+)', line)
        if found:
            target = found.group(1).split("/")
            if target[0] not in MAY_INCLUDE[parts[0]]:
                yield f"{name}:{number}: {parts[0]} must not include {found.group(1)}"
            elif parts[0] == "engine" and target[0] == "engine":
                allowed = target[1] in ENGINE_MAY_INCLUDE[parts[1]]
                if not allowed and found.group(1) not in VOCABULARY:
                    yield f"{name}:{number}: engine/{parts[1]} must not include {found.group(1)}"
        if name.startswith(NO_TORCH) and re.match(r"\s*#\s*include\s*<(torch|ATen|c10)/", line):
            yield f"{name}:{number}: this folder knows no torch"


def function_findings(name, lines):
    """A definition begins in column 0 on a line with '(' and ends at the next '}' in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and re.match(r"[A-Za-z].*\(", line) and not line.rstrip().endswith(";"):
            start = number
        elif line.startswith("}"):
            if start is not None and number - start > MAX_FUNCTION:
                yield f"{name}:{start}: function of {number - start} lines; at most {MAX_FUNCTION}"
            start = None
        elif start is not None and number == start + 1 and line.rstrip().endswith(";"):
            start = None


def findings(name):
    lines = (ROOT / name).read_text().splitlines()
    if len(lines) > MAX_LINES:
        yield f"{name}: {len(lines)} lines; at most {MAX_LINES}: split it by what it does"
    yield from include_findings(name, lines)
    if not name.startswith("tests/"):
        yield from function_findings(name, lines)
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                yield f"{name}:{number}: unfinished: {line.strip()}"


def top_level_findings():
    for name in sorted({file.split("/")[0] for file in listed()}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield f"{name}: the top level of the project is fixed; put it into a folder"


def main():
    found = [*top_level_findings(), *(f for name in sources() for f in findings(name))]
    for finding in found:
        print(finding, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
