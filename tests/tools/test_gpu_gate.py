"""The machine-code gate must fail on each fault that it is there for, and pass a healthy kernel."""

import csv
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ("file,kernel,arch,threads,dynamic_shared,max_registers,max_shared,min_ldg128,min_stg128,"
           "min_tensor,min_occupancy,min_wgmma,only").split(",")

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
def compiler():
    """Skips only where scripts/setup was told to leave the compiler out: a lost one is a failure."""
    if "cuda" not in (ROOT / ".venv/.salus-setup").read_text().split():
        pytest.skip("the CUDA compiler was not asked for (scripts/setup --cpu)")


@pytest.fixture
def gate(compiler, tmp_path, monkeypatch):
    """The gate on a tree of its own; put(code, rows) fills it."""
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


def test_kernel_beyond_its_row_fails(gate, capsys):
    for limits, word in (({"max_registers": 5}, "registers"), ({"min_ldg128": 1000}, "ldg128"),
                         ({"min_tensor": 1}, "tensor"), ({"min_wgmma": 1}, "wgmma"),
                         ({"dynamic_shared": 100000, "min_occupancy": 100}, "occupancy")):
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


HOPPER = """
#include "kernels/device_hopper.h"
template <typename T>
__global__ void __launch_bounds__(128) group_kernel(const T* in, float* out, int n) {
  if constexpr (salus::kernels::kHasWarpgroups<T>) {
    SALUS_SHARED(T, tile, [128 * 64]);
    for (int i = threadIdx.x; i < 128 * 64; i += 128) tile[i] = in[i];
    __syncthreads();
    float sums[8][4] = {};
    salus::kernels::warpgroup_begin();
    salus::kernels::warpgroup_mma<T>(sums, salus::kernels::swizzled_matrix(tile, 0),
                                     salus::kernels::swizzled_matrix(tile + 64 * 64, 0));
    salus::kernels::warpgroup_commit();
    salus::kernels::warpgroup_wait<0>();
    for (int i = 0; i < 32; ++i) out[threadIdx.x * 32 + i] = sums[i / 4][i % 4];
  }
}
"""
GROUP = "group_kernel<salus::kernels::Half>"


def test_kernel_for_one_architecture_passes_with_its_one_row(gate, capsys, tmp_path):
    shutil.copy(ROOT / "kernels/device_hopper.h", tmp_path / "kernels")
    limits = {"threads": 128, "max_shared": 20000, "min_wgmma": 1, "only": "sm_90a"}
    gate.put(HOPPER, *rows(GROUP, archs=("sm_90a",), **limits))
    assert gate.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize("archs, limits, words", [
    (("sm_90a",), {"min_wgmma": 1}, "needs one row for each of"),
    (("sm_90a",), {"only": "sm_90a"}, "min_wgmma at least 1"),
    (("sm_80",), {"only": "sm_90a", "min_wgmma": 1}, "it needs one row, of that architecture"),
    (("sm_80", "sm_90a"), {"only": "sm_90a", "min_wgmma": 1}, "it needs one row"),
    (("sm_90",), {"only": "sm_90", "min_wgmma": 1}, "one of sm_80, sm_90a, sm_100"),
])
def test_kernel_that_is_said_to_be_for_one_architecture_may_not_escape(gate, archs, limits, words):
    gate.put(HEALTHY)
    table = rows("good_kernel<float>", archs=archs, **limits)
    assert any(words in sentence for sentence in gate.check_table(table))


def test_kernel_for_one_architecture_without_warpgroups_fails(gate, capsys):
    gate.put(HEALTHY, *rows("good_kernel<float>", archs=("sm_90a",), min_wgmma=1, only="sm_90a"))
    assert gate.main() == 1
    assert "wgmma 0, fewer than 1" in capsys.readouterr().err


def test_missing_tool_fails(gate, monkeypatch, tmp_path):
    gate.put(HEALTHY, *rows("good_kernel<float>"))
    monkeypatch.setattr(gate, "cuda_root", lambda: tmp_path)
    monkeypatch.setattr(gate.shutil, "which", lambda name: None)
    with pytest.raises(gate.GateError, match="missing: run scripts/setup"):
        gate.main()


def test_code_that_changed_is_compiled_again(gate, capsys):
    gate.put(HEALTHY, *rows("good_kernel<float>"))
    assert gate.main() == 0
    assert gate.main() == 0, "now from what is kept"
    gate.put(FLOAT64.replace("wide", "good"), *rows("good_kernel<float>"))
    assert gate.main() == 1
    assert "float64 instructions" in capsys.readouterr().err


def test_header_that_changed_is_compiled_again(gate, tmp_path, capsys):
    header = tmp_path / "kernels/x_math.h"
    header.write_text("using Scale = float;\n")
    code = '#include "kernels/x_math.h"\n' + FLOAT64.replace("1.1", "Scale(1.1)")
    gate.put(code, *rows("wide_kernel<float>"))
    assert gate.main() == 0
    header.write_text("using Scale = double;\n")
    assert gate.main() == 1
    assert "float64 instructions" in capsys.readouterr().err


def test_built_kernel_without_a_row_fails(gate, monkeypatch, capsys):
    gate.put(HEALTHY, *rows("good_kernel<float>"))
    library, _ = gate.compile_cubin("x.cuh", "sm_90a", ["good_kernel<float>", "good_kernel<int>"])
    monkeypatch.setattr(sys, "argv", ["gpu_gate", "--library", str(library)])
    assert gate.main() == 1
    error = capsys.readouterr().err
    assert "good_kernel<int> is launched" in error and "good_kernel<float> is" not in error


def test_missing_library_fails(gate, monkeypatch, tmp_path):
    gate.put(HEALTHY, *rows("good_kernel<float>"))
    monkeypatch.setattr(sys, "argv", ["gpu_gate", "--library", str(tmp_path / "none.so")])
    with pytest.raises(gate.GateError, match="build it first"):
        gate.main()


def test_empty_table_fails(gate):
    gate.put("")
    assert gate.main() == 1


def test_every_kernel_of_the_project_passes(compiler):
    build = pathlib.Path(os.environ.get("SALUS", ROOT / "build/dev/tools/salus")).parents[1]
    library = build / "kernels/libsalus_kernels_cuda.so"
    has_cuda = "SALUS_CUDA:BOOL=OFF" not in (build / "CMakeCache.txt").read_text()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/gpu_gate", *(["--library", library] if has_cuda else [])],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count = len((ROOT / "scripts/gpu_gate.csv").read_text().splitlines()) - 1
    assert f"gpu_gate: {count} rows checked, 0 findings" in done.stdout
