"""The machine-code gate must fail on each fault that it is there for, and pass a healthy kernel."""

import csv
import importlib.machinery
import importlib.util
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ("file,kernel,arch,threads,dynamic_shared,max_registers,max_shared,min_ldg128,min_stg128,"
           "min_tensor,min_occupancy").split(",")

HEALTHY = """
template <typename T>
__global__ void __launch_bounds__(256) good_kernel(const T* __restrict__ in, T* out, int n) {
  for (int i = threadIdx.x * 4; i < n; i += 1024) {
    salus::kernels::store128(out + i, salus::kernels::load128(in + i));
  }
}
"""
FLOAT64 = """
template <typename T>
__global__ void __launch_bounds__(256) wide_kernel(const T* in, T* out, int n) {
  for (int i = threadIdx.x; i < n; i += 256) out[i] = static_cast<T>(in[i] * 1.1);
}
"""
LOCAL = """
template <typename T>
__global__ void __launch_bounds__(256) local_kernel(const T* in, T* out, int n) {
  T held[64];
  for (int i = 0; i < 64; ++i) held[i] = in[i * 256 + threadIdx.x];
  for (int i = threadIdx.x; i < n; i += 256) out[i] = held[static_cast<int>(in[i]) & 63];
}
"""


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """The gate on a tree of its own; put(code, rows) fills it."""
    if not list(ROOT.glob(".venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc")):
        pytest.skip("the CUDA compiler is not installed (scripts/setup --cpu)")
    loader = importlib.machinery.SourceFileLoader("gpu_gate", str(ROOT / "scripts/gpu_gate"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_gate", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    for folder in ("kernels", "scripts"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "kernels/device.h", tmp_path / "kernels")
    shutil.copy(ROOT / "scripts/gpu_occupancy.cpp", tmp_path / "scripts")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "TABLE", tmp_path / "scripts/gpu_gate.csv")
    monkeypatch.setattr(sys, "argv", ["gpu_gate"])

    def put(code, *rows):
        (tmp_path / "kernels/x.cuh").write_text('#include "kernels/device.h"\n' + code)
        with module.TABLE.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    module.put = put
    return module


def rows(kernel, archs=("sm_80", "sm_90a", "sm_100"), **limits):
    base = {"file": "x.cuh", "kernel": kernel, "threads": 256, "dynamic_shared": 0, "max_registers": 255,
            "max_shared": 0, "min_ldg128": 0, "min_stg128": 0, "min_tensor": 0, "min_occupancy": 0}
    return [base | {"arch": arch} | limits for arch in archs]


def test_healthy_kernel_passes_with_its_vector_accesses_counted(gate, capsys):
    gate.put(HEALTHY, *rows("good_kernel<float>", min_ldg128=1, min_stg128=1, min_occupancy=100))
    assert gate.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize("limits, word", [
    ({"max_registers": 5}, "registers"),
    ({"min_ldg128": 1000}, "ldg128"),
    ({"min_tensor": 1}, "tensor"),
    ({"dynamic_shared": 100000, "min_occupancy": 100}, "occupancy"),
])
def test_kernel_beyond_its_row_fails(gate, capsys, limits, word):
    gate.put(HEALTHY, *rows("good_kernel<float>", **limits))
    assert gate.main() == 1
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("code, kernel, word", [
    (FLOAT64, "wide_kernel<float>", "float64 instructions"),
    (LOCAL, "local_kernel<float>", "bytes of local memory"),
])
def test_forbidden_code_fails_whatever_the_row_says(gate, capsys, code, kernel, word):
    gate.put(code, *rows(kernel))
    assert gate.main() == 1
    assert word in capsys.readouterr().err


def test_spill_fails(gate, capsys):
    code = LOCAL.replace("(256) local", "(1024, 2) local").replace("& 63", "% 64").replace(
        "out[i] = held[static_cast<int>(in[i]) % 64];", "{ T s = 0; for (int k = 0; k < 64; ++k) "
        "s = s * in[i] + held[k]; out[i] = s; }")
    gate.put(code, *rows("local_kernel<float>"))
    assert gate.main() == 1
    assert "bytes spilled" in capsys.readouterr().err


def test_kernel_without_a_row_fails(gate, capsys):
    gate.put(HEALTHY + FLOAT64, *rows("good_kernel<float>"))
    assert gate.main() == 1
    assert "wide_kernel of kernels/x.cuh has no row" in capsys.readouterr().err


def test_row_without_its_kernel_fails(gate):
    gate.put(HEALTHY, *rows("good_kernel<float>"), *rows("gone_kernel<float>"))
    with pytest.raises(gate.GateError):
        gate.main()


def test_missing_architecture_fails(gate, capsys):
    gate.put(HEALTHY, *rows("good_kernel<float>", archs=("sm_80", "sm_100")))
    assert gate.main() == 1
    assert "one row for each of sm_80, sm_90a, sm_100" in capsys.readouterr().err


def test_missing_tool_fails(gate, monkeypatch, tmp_path):
    gate.put(HEALTHY, *rows("good_kernel<float>"))
    monkeypatch.setattr(gate, "cuda_root", lambda: tmp_path)
    monkeypatch.setattr(gate.shutil, "which", lambda name: None)
    with pytest.raises(gate.GateError, match="missing: run scripts/setup"):
        gate.main()


def test_empty_table_fails(gate):
    gate.put("")
    assert gate.main() == 1


def test_every_kernel_of_the_project_has_its_rows(gate, monkeypatch):
    monkeypatch.setattr(gate, "ROOT", ROOT)
    with (ROOT / "scripts/gpu_gate.csv").open(newline="") as file:
        assert list(gate.check_table(list(csv.DictReader(file)))) == []
