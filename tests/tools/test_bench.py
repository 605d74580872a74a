"""salus bench: what it prints is consistent, and what it cannot do it says. No figure is asserted."""

import pathlib

import pytest

from conftest import DONE, FAILED, WRONG_USE, assert_error

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model():
    from conftest import run_salus

    result = run_salus("bench", "kernels", "--model", "--json")
    assert result.status == DONE and result.stderr == ""
    return result.json


def test_model_bounds_every_kernel_on_every_gpu(model):
    assert set(model["gpus"]) == {"A100", "H100", "H200", "B200"}
    for row in model["kernels"]:
        assert set(row["bounds"]) == set(model["gpus"])
        for name, bound in row["bounds"].items():
            gpu = model["gpus"][name]
            seconds = {
                "memory": (row["bytes_read"] + row["bytes_written"]) / gpu["memory_bytes_per_second"],
                "math": row["operations"] / gpu["operations_per_second"]
                + row["tensor_operations"] / gpu["tensor_operations_per_second"],
                "launch": row["launches"] * gpu["launch_seconds"],
                "PCIe": row["bytes_uploaded"] / gpu["pcie_bytes_per_second"],
            }
            assert bound["microseconds"] == pytest.approx(1e6 * max(seconds.values()))
            assert seconds[bound["limit"]] == max(seconds.values())


def test_every_gpu_names_the_source_of_its_figures(model):
    for gpu in model["gpus"].values():
        assert "NVIDIA" in gpu["source"]


def test_model_of_a_preprocessed_radiograph_is_bound_by_memory(model):
    row = next(row for row in model["kernels"] if row["problem"].startswith("1 x 2048 x 2048 uint16"))
    pixels = 2 * 2048 * 2048
    assert pixels < row["bytes_read"] < 1.01 * pixels
    assert row["bytes_written"] == 4 * 512 * 512
    assert {bound["limit"] for bound in row["bounds"].values()} == {"memory"}


def test_every_operator_with_a_cuda_half_has_its_cost_and_benchmark(model):
    known = {row["kernel"] for row in model["kernels"]}
    built = {path.name.removesuffix("_cuda.cu") for path in (ROOT / "kernels").glob("*_cuda.cu")
             if '.cuh"' in path.read_text()}  # the others launch no body
    # A variant of an operator is called after it: similarity_wgmma.
    missing = {name for name in built
               if name not in known and not any(name.startswith(one + "_") for one in known)}
    assert not missing, f"add a line and a file of cases to engine/measure/kernel_cases.cpp: {missing}"


def test_model_as_text_says_the_same(salus, model):
    text = salus("bench", "kernels", "--model").stdout
    for row in model["kernels"]:
        line = next(line for line in text.splitlines()
                    if line.startswith(row["kernel"]) and row["problem"] in line)
        for bound in row["bounds"].values():
            assert f"{bound['microseconds']:.2f} us {bound['limit']}" in line
    for gpu in model["gpus"].values():
        assert gpu["source"] in text


def test_kernels_are_measured_with_bytes_and_machine(salus):
    result = salus("bench", "kernels", "augment", "--seconds", "0.001", "--threads", "1", "--json")
    assert result.status == DONE, result.stderr
    machine, rows = result.json["machine"], result.json["kernels"]
    assert machine["processor"] and machine["threads"] == 1
    assert {row["kernel"] for row in rows} == {"image_augment"}
    for row in rows:
        assert row["calls"] >= 5
        assert row["microseconds_p05"] <= row["microseconds"] <= row["microseconds_p95"]
        rate = row["bytes"] / row["microseconds"] * 1e6
        assert row["bytes_per_second"] == pytest.approx(rate)
        assert row["fraction_of_bandwidth"] == pytest.approx(rate / machine["memory_bytes_per_second"])


def test_kernels_as_text_has_a_line_per_case(salus, model):
    text = salus("bench", "kernels", "image_augment", "--seconds", "0.001", "--threads", "1").stdout
    wanted = [row["problem"] for row in model["kernels"] if row["kernel"] == "image_augment"]
    assert [problem for problem in wanted if problem in text] == wanted
    assert "memory " in text.splitlines()[-1]


def test_inference_of_a_bundle_is_measured(salus, bundle):
    result = salus("bench", "infer", bundle, "--seconds", "0.01", "--threads", "1", "--json")
    assert result.status == DONE, result.stderr
    figures = result.json
    assert figures["model"] == "smallcnn" and figures["size"] == [1, 28, 28]
    assert figures["micro_batch"] == 4
    latency = figures["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] and latency["calls"] >= 5
    assert figures["images_per_second"] == pytest.approx(4e3 / figures["micro_batch_ms"]["p50"])
    text = salus("bench", "infer", bundle, "--seconds", "0.01", "--threads", "1").stdout
    assert "smallcnn" in text and "images/s" in text


def test_training_of_an_architecture_is_measured(salus):
    result = salus("bench", "train", "smallcnn", "--size", "28", "--batch", "4", "--steps", "6",
                   "--threads", "1", "--json")
    assert result.status == DONE, result.stderr
    figures = result.json
    assert figures["step_ms"]["calls"] == 6
    assert figures["steps_per_second"] == pytest.approx(1e3 / figures["step_ms"]["p50"])
    assert figures["images_per_second"] == pytest.approx(4 * figures["steps_per_second"])


@pytest.mark.parametrize("arguments, mention", [
    (["kernels", "convolution"], "image_augment"),
    (["train", "resnet19"], "resnet18"),
    (["train", "smallcnn", "--precision", "fp8"], "precision"),
])
def test_unknown_names_are_wrong_use_and_the_known_ones_are_told(salus, arguments, mention):
    assert_error(salus("bench", *arguments), WRONG_USE, mention)


def test_device_that_is_not_there_is_told(salus):
    assert_error(salus("bench", "kernels", "--device", "quantum"), WRONG_USE, "quantum")
    result = salus("bench", "kernels", "augment", "--seconds", "0.001", "--device", "cuda")
    if result.status == DONE:
        pytest.skip("a GPU is there")
    assert_error(result, FAILED, "CUDA cannot be used: ")


@pytest.mark.parametrize("arguments", [[], ["gpu"], ["kernels", "--seconds", "0"],
                                       ["train", "smallcnn", "--batch", "0"], ["infer"]])
def test_wrong_use_is_told_from_failure(salus, arguments):
    result = salus("bench", *arguments)
    assert result.status == WRONG_USE and result.stdout == ""


def test_missing_bundle_is_a_failure(salus, tmp_path):
    assert_error(salus("bench", "infer", tmp_path / "none"), FAILED, "none")


@pytest.mark.parametrize("command", ["kernels", "infer", "train"])
def test_every_benchmark_explains_itself(salus, command):
    text = salus("bench", command, "--help").stdout
    for option in ("--json", "--device", "--threads"):
        assert option in text
