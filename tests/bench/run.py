"""Runs our worker and each peer in turn (ours, peer, ours, peer, ...) on the same input, and prints the
medians of the pairwise ratios beside what the machine could do at most. scripts/bench calls it.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

import contenders
import machine


@dataclasses.dataclass
class Setup:
    threads: int
    device: str
    data: pathlib.Path
    folder: pathlib.Path  # of exported networks
    train_steps: int


class Worker:
    """A started worker; closes its input and waits for its end on leaving."""

    def __init__(self, command, threads):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads),
                       "MKL_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        self.about = self._read()

    def _read(self):
        """The next line that is a JSON object (libraries may print lines of their own)."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.process.args[:4]} ended with status {self.process.wait()}")

    def repetition(self):
        """Items a second of one repetition."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        measured = self._read()
        return measured["items"] / measured["seconds"]

    def peak_memory_mb(self):
        return machine.peak_memory_mb(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def same_work(ours, peer, tolerance):
    """Largest difference of the check values, relative to the largest value; raises if too large."""
    largest = max(abs(value) for value in peer) or 1
    difference = max(abs(a - b) for a, b in zip(ours, peer, strict=True)) / largest
    if difference > tolerance:
        raise RuntimeError(f"results differ by {difference:.2g}, more than {tolerance}: {ours} / {peer}")
    return difference


def compare(benchmark, peer, binary, pairs, setup, limits):
    with Worker([binary, *benchmark.ours], setup.threads) as ours, \
            Worker([sys.executable, *peer.arguments], setup.threads) as theirs:
        difference = same_work(ours.about["check"], theirs.about["check"], benchmark.tolerance)
        measured = [(ours.repetition(), theirs.repetition()) for _ in range(pairs)]
        memory = ours.peak_memory_mb(), theirs.peak_memory_mb()
    ratios = [a / b for a, b in measured]
    rate = statistics.median(a for a, _ in measured)
    cost = benchmark.cost_per_item or theirs.about.get("flops_per_item", 0)
    return {
        "benchmark": benchmark.name, "what": benchmark.what, "unit": f"{benchmark.unit}/s",
        "peer": peer.name, "ours": rate, "theirs": statistics.median(b for _, b in measured),
        "ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)],
        "pairs": pairs, "difference": difference, "cost_per_item": cost,
        "limit": benchmark.limit,
        "fraction_of_limit": rate * cost / limits[benchmark.limit] if cost and limits else None,
        "peak_memory_mb": memory[0], "peer_peak_memory_mb": memory[1],
        "recall": [ours.about.get("recall"), theirs.about.get("recall")],
        "workspace_mb": ours.about.get("workspace_mb"),
    }


def recall_of(row):
    """Of searches: the share of the true neighbours found by us and by the peer, and our workspace."""
    if row["recall"][0] is None:
        return ""
    return f"  recall {row['recall'][0]:.4f} / {row['recall'][1]:.4f}, workspace {row['workspace_mb']:.1f} MB"


def print_row(row):
    fraction = row["fraction_of_limit"]
    print(f"{row['benchmark']:<32} {row['peer']:<27} {row['ours']:>10.4g} {row['theirs']:>10.4g} "
          f"{row['ratio']:>6.2f}x  [{row['ratio_range'][0]:.2f}, {row['ratio_range'][1]:.2f}] "
          f"{'' if fraction is None else format(fraction, '>6.0%'):>7} "
          f"{row['peak_memory_mb']:>7.0f} {row['peer_peak_memory_mb']:>7.0f}{recall_of(row)}", flush=True)


def measure(benchmarks, arguments, setup, limits):
    """(results, failures)"""
    print(f"{'benchmark':<32} {'peer':<27} {'ours':>10} {'peer':>10} {'ratio':>7}  [min, max]     "
          f"{'limit':>7} {'MB ours':>7} {'MB peer':>7}", flush=True)
    results, failures = [], []
    flops = {}  # per benchmark, for peers that do not report them
    for benchmark in benchmarks:
        for peer in benchmark.peers:
            if arguments.peer and not any(p.lower() in peer.name.lower() for p in arguments.peer):
                continue
            try:
                benchmark.cost_per_item = benchmark.cost_per_item or flops.get(benchmark.name, 0)
                row = compare(benchmark, peer, arguments.binary, arguments.pairs, setup, limits)
            except (RuntimeError, OSError, ValueError) as problem:
                failures.append({"benchmark": benchmark.name, "peer": peer.name,
                                 "problem": str(problem)})
                print(f"{benchmark.name:<32} {peer.name:<27} failed: {problem}", flush=True)
                continue
            flops[benchmark.name] = row["cost_per_item"]
            results.append(row)
            print_row(row)
    return results, failures


def gpu_kernels(salus):
    """Every kernel family on the GPU, achieved against its bound: the report of salus bench kernels."""
    finished = subprocess.run([salus, "bench", "kernels", "--device", "cuda", "--json"],
                              stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        raise SystemExit("error: salus bench kernels --device cuda failed; the lines above say why.")
    report = json.loads(finished.stdout)
    print(f"{'kernel':<18} {'problem':<48} {'us':>9} {'GB/s':>8} {'of copy':>8} {'bound us':>9} achieved")
    for row in report["kernels"]:
        bound = row.get("bound")
        against = f"{bound['microseconds']:>9.2f} {bound['fraction']:.0%}" if bound else f"{'-':>9}"
        print(f"{row['kernel']:<18} {row['problem']:<48} {row['microseconds']:>9.2f} "
              f"{row['bytes_per_second'] / 1e9:>8.0f} {row['fraction_of_bandwidth']:>8.0%} {against}",
              flush=True)
    return report


def chosen_benchmarks(names, setup):
    """Benchmarks whose name contains one of `names`; all if there is none."""
    chosen = []
    for family, make in contenders.FAMILIES.items():
        if names and not any(name.startswith(family) or name in family for name in names):
            continue
        chosen += [b for b in make(setup)
                   if not names or any(name in b.name for name in names)]
    if setup.device != "cpu":
        chosen = [b for b in chosen if b.gpu]
    if not chosen:
        raise SystemExit(f"error: no benchmark is called {' or '.join(names)}; there are "
                         f"{', '.join(contenders.FAMILIES)} and parts of them (infer/resnet18).")
    return chosen


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="dicom, preprocess, clahe, vitals, "
                        "similarity, gru_d, recurrent, vitals_step, "
                        "train, infer, or a part of them as infer/resnet18/batch1")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write figures here")
    parser.add_argument("--gpu", action="store_true", help="on the first GPU; begins with every "
                        "kernel against its bound (\"kernels\" for these alone)")
    parser.add_argument("--peer", action="append", help="only peers whose name contains this")
    parser.add_argument("--pairs", type=int, default=5, help="repetitions of each (5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--train-steps", type=int, default=4, help="steps of a repetition (4)")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    arguments.binary = arguments.build / "tests" / "bench" / "salus_bench"
    data = os.environ.get("SALUS_DATA")
    setup = Setup(arguments.threads, "cuda" if arguments.gpu else "cpu",
                  pathlib.Path(data) if data else None, contenders.ROOT / "build" / "bench-models",
                  arguments.train_steps)
    names = [name for name in arguments.names if not (arguments.gpu and name == "kernels")]
    kernels = None
    if arguments.gpu and (not arguments.names or "kernels" in arguments.names):
        kernels = gpu_kernels(arguments.build / "tools" / "salus")
    benchmarks = chosen_benchmarks(names, setup) if names or not arguments.names else []
    if any(b.name.startswith("infer") for b in benchmarks):
        subprocess.run([sys.executable, contenders.PEERS / "models.py", setup.folder], check=True,
                       stderr=subprocess.DEVNULL)
    about = machine.describe(contenders.ROOT, arguments.build / "tools" / "salus")
    limits = json.loads(subprocess.run(
        [arguments.binary, "limits", "--threads", str(setup.threads), "--device", setup.device],
        check=True, capture_output=True, text=True).stdout)
    print(f"{about['processor']}, {arguments.threads} threads, load {about['load_before']:.1f}; limits: "
          f"memory {limits['memory_bytes_per_second'] / 1e9:.0f} GB/s, matrix product "
          f"{limits['float32_flops'] / 1e9:.0f} GFLOP/s float32, "
          f"{limits['bfloat16_flops'] / 1e9:.0f} bfloat16")
    results, failures = measure(benchmarks, arguments, setup, limits)
    if arguments.json:
        about["load_after"] = os.getloadavg()[0]
        report = {"machine": about, "threads": arguments.threads, "device": setup.device,
                  "limits": limits, "results": results, "failures": failures, "kernels": kernels}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
