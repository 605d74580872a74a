"""What a figure was taken on: processor, memory, load, versions."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess

PACKAGES = ["torch", "torchvision", "numpy", "opencv-python-headless", "pydicom", "monai",
            "onnxruntime", "openvino"]


def describe(root, salus):
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "instructions": _instructions(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "gpu": _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]) or None,
        "load_before": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "salus": _output([salus, "--version"]),
        "revision": _output(["git", "-C", str(root), "rev-parse", "--short", "HEAD"]),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _field(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _instructions():
    """The vector and matrix units that decide these figures."""
    flags = set(_field("/proc/cpuinfo", "flags").split())
    return [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in flags]


def _output(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except OSError:
        return ""


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def peak_memory_mb(pid):
    """Peak resident memory of a process and its children, in MB."""
    total = _peak(pid)
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        total += sum(peak_memory_mb(int(child)) for child in task.read_text().split())
    return total


def _peak(pid):
    value = _field(f"/proc/{pid}/status", "VmHWM")
    return int(value.split()[0]) / 1024 if value != "unknown" else 0.0
