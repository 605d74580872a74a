"""What pneumonia_seeds and cross_validate share: running the program and picking up where it stopped."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parser(description):
    made = argparse.ArgumentParser(description=description)
    made.add_argument("config", type=pathlib.Path)
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    made.add_argument("--out", type=pathlib.Path, required=True, help="folder of all the runs")
    made.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    made.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    made.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    return made


def salus(arguments, *command):
    """Standard output of the program; its progress stays on stderr."""
    binary = arguments.build / "tools" / "salus"
    finished = subprocess.run(
        [str(binary), *map(str, command), "--threads", str(arguments.threads)],
        stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        sys.exit(f"error: salus {command[0]} ended with status {finished.returncode}; run this again "
                 "to go on from there.")
    return finished.stdout


def train(arguments, out, *overrides):
    """Trains into `out`, going on from its last checkpoint if there is one; nothing if it is done."""
    if (out / "bundle" / "bundle.toml").exists():
        return
    salus(arguments, "train", arguments.config, *overrides, *arguments.overrides, "--out", out,
          "--resume")
    if not (out / "bundle" / "bundle.toml").exists():
        sys.exit(f"error: the run in {out} was stopped; run this again to go on.")


def finish(arguments, figures):
    text = json.dumps(figures, indent=1) + "\n"
    if arguments.json:
        arguments.json.write_text(text)
    (arguments.out / "figures.json").write_text(text)
